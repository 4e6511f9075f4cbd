"""Reading looks off the transformer's own hidden states while it is trained: which character a noise token is part of.

The flow loss alone does not bind: a model that knows which two colours a caption names may still give them to its two
characters by chance, and such films cost little more than right ones. Here every token that shows a character is asked,
part of the way through the blocks, for that character's species, colour and accessory. The answers come from a linear
layer, which is dropped after training.

Shape letters: B batch, A actors of a shot, K attributes of a look, D width, M joined tokens, N noise tokens, T latent
frames, H W latent cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from onestory_cli.storyworld.vocabulary import ACCESSORIES, COLOURS, SPECIES, tokens
from onestory_cli.storyworld.world import Look, WorldShot

MOST_ACTORS = 2
NO_LABEL = -100  # an attribute that a look has not, or an actor that a shot has not; no loss is taken there
ATTRIBUTES: tuple[tuple[str, ...], ...] = (SPECIES, tuple(COLOURS), ACCESSORIES, tuple(COLOURS))


def look_labels(shot: WorldShot) -> list[list[int]]:
    """(A, K): species, colour, accessory and its colour of each actor, as places in their vocabularies."""
    rows = [_labels(actor.look) for actor in shot.actors]
    return rows + [[NO_LABEL] * len(ATTRIBUTES)] * (MOST_ACTORS - len(rows))


def _labels(look: Look) -> list[int]:
    values = (look.species, look.colour, look.accessory, look.accessory_colour)
    return [names.index(value) if value else NO_LABEL for names, value in zip(ATTRIBUTES, values, strict=True)]


def word_labels(caption: str, shot: WorldShot, spelled: Sequence[bool], *, length: int) -> list[list[int]]:
    """(L, 1 + K): for every word which actor it is about, 0 for the first-named, and how that one looks.

    `spelled` says of each actor whether the caption tells its look: then all its words are labelled, else its species.
    """
    words = tokens(caption)
    rows = [[NO_LABEL] * (1 + len(ATTRIBUTES)) for _ in range(max(length, len(words)))]
    for number, (actor, told) in enumerate(zip(shot.actors, spelled, strict=True)):
        phrase = tokens(actor.look.words()) if told else [actor.look.species]
        start = next(place for place in range(len(words)) if words[place : place + len(phrase)] == phrase)
        looks = _labels(actor.look) if told else [NO_LABEL] * len(ATTRIBUTES)
        for place in range(start, start + len(phrase)):
            rows[place] = [number, *looks]
    return rows[:length]


class WordReader(nn.Module):
    """The same of the words of a caption: a linear layer from what leaves the text encoder."""

    def __init__(self, width: int, *, seed: int = 0) -> None:
        super().__init__()
        self.classes = [MOST_ACTORS, *map(len, ATTRIBUTES)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.read_embed = nn.Linear(width, sum(self.classes))

    def loss(self, text_BLE: Tensor, words_BLK: Tensor) -> Tensor:
        """Mean cross-entropy of what each word is about, over the attributes that any word tells.

        Of states and labels the longer ones are cut: what is over is padding, or was not read.
        """
        length = min(text_BLE.shape[1], words_BLK.shape[1])
        text_BLE, words_BLK = text_BLE[:, :length], words_BLK[:, :length].to(text_BLE.device)
        losses = [
            functional.cross_entropy(logits_BLV.float().flatten(0, 1), words_BLK[..., index].flatten())
            for index, logits_BLV in enumerate(self.read_embed(text_BLE).split(self.classes, dim=2))
            if (words_BLK[..., index] != NO_LABEL).any()
        ]
        return torch.stack(losses).mean() if losses else text_BLE.new_zeros(())


class LookReader(nn.Module):
    """A linear layer from hidden states to the logits of all attributes, its first weights drawn from `seed`."""

    def __init__(self, width: int, *, seed: int = 0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        with torch.random.fork_rng(devices=[]):  # a stage that begins again begins alike, whatever was drawn before it
            torch.manual_seed(seed)
            self.read_embed = nn.Linear(width, sum(map(len, ATTRIBUTES)))

    def forward(self, hidden_BND: Tensor) -> list[Tensor]:
        """Logits (B, N, classes) of each attribute."""
        return list(self.read_embed(self.norm(hidden_BND)).split([len(names) for names in ATTRIBUTES], dim=2))

    def loss(self, hidden_BMD: Tensor, cast_BATHW: Tensor, looks_BAK: Tensor, *, patch: int) -> Tensor:
        """Cross-entropy of the looks at the tokens that show them, by how much of a token they cover, mean over looks.

        Noise tokens are the last of the joined ones.
        """
        cover_BAN = functional.avg_pool3d(cast_BATHW, (1, patch, patch)).flatten(2)
        logits = self(hidden_BMD[:, -cover_BAN.shape[2] :])
        losses = []
        for index, logits_BNV in enumerate(logits):
            labels_BA = looks_BAK[:, :, index]
            # log-likelihood of each actor's own value at every token
            likely_BVN = functional.log_softmax(logits_BNV.float(), 2).transpose(1, 2)
            own_BAN = likely_BVN.take_along_dim(labels_BA.clamp(min=0)[:, :, None], dim=1)
            weight_BAN = cover_BAN * (labels_BA != NO_LABEL)[:, :, None]
            losses.append(-(weight_BAN * own_BAN).sum() / weight_BAN.sum().clamp(min=1e-6))
        return torch.stack(losses).mean()


@contextmanager
def hidden_after(transformer: nn.Module, block: int) -> Iterator[list[Tensor]]:
    """What leaves this block (from 0) in the calls inside, one (B, M, D) a call."""
    kept: list[Tensor] = []
    hook = transformer.blocks[block].register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    try:
        yield kept
    finally:
        hook.remove()
