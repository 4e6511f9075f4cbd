"""Reading looks off the transformer's own hidden states while it is trained: which character a token is part of.

The flow loss alone does not bind: a model that knows which two colours a caption names may still give them to its two
characters by chance, and such films cost little more than right ones. Here every token that shows a character is asked,
part of the way through the blocks, for that character's species, colour and accessory. The answers come from a linear
layer, which is dropped after training.

A look that has to come out of memory needs one thing more: the tokens of a character must find the remembered ones
that show it. So the tokens of both are asked, by the same layer, for the species of their character and for the role
that the caption gives it.

Shape letters: B batch, A actors of a shot, K attributes of a look or remembered frames, E earlier shots, D width,
M joined tokens, S context tokens, N noise tokens, L words, T latent frames, H W latent cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from onestory_cli.models.levels import Level
from onestory_cli.storyworld.vocabulary import ACCESSORIES, COLOURS, SPECIES, tokens
from onestory_cli.storyworld.world import Look, WorldShot

MOST_ACTORS = 2
NO_LABEL = -100  # an attribute that a look has not, or an actor that a shot has not; no loss is taken there
ATTRIBUTES: tuple[tuple[str, ...], ...] = (SPECIES, tuple(COLOURS), ACCESSORIES, tuple(COLOURS))
ROLES = MOST_ACTORS + 1  # named first, named second, and a remembered character that the caption does not name


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


def _reading(width: int, classes: int, *, seed: int) -> nn.Linear:
    """A linear layer drawn from the seed: a stage that begins again begins alike, whatever was drawn before it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Linear(width, classes)


class WordReader(nn.Module):
    """The same of the words of a caption: a linear layer from what leaves the text encoder."""

    def __init__(self, width: int, *, seed: int = 0) -> None:
        super().__init__()
        self.classes = [MOST_ACTORS, *map(len, ATTRIBUTES)]
        self.read_embed = _reading(width, sum(self.classes), seed=seed)

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


def role_labels(species_EA: Tensor, named_A: Tensor) -> Tensor:
    """(E, A): which of the species of a caption's actors each actor of earlier shots has, or the last role for none."""
    same_EAA = species_EA[..., None] == named_A
    roles_EA = torch.where(same_EAA.any(-1), same_EAA.int().argmax(-1), ROLES - 1)
    return torch.where(species_EA == NO_LABEL, NO_LABEL, roles_EA)


@dataclass(frozen=True, kw_only=True)
class Roles:
    """How much of each token shows each actor, and species and role of that one; of all joined tokens or of some."""

    cover_BAM: Tensor
    species_BAM: Tensor
    roles_BAM: Tensor

    @classmethod
    def of_context(cls, cast_BKAHW: Tensor, species_BKA: Tensor, roles_BKA: Tensor, levels: Sequence[Level]) -> Roles:
        """Of context tokens: remembered frames at their levels, in the conditioner's order."""
        covers = [
            functional.avg_pool2d(cast_BKAHW[:, rank], level.patch, ceil_mode=True, count_include_pad=False).flatten(2)
            for rank, level in enumerate(levels)
        ]
        sizes = torch.tensor([cover_BAS.shape[2] for cover_BAS in covers], device=species_BKA.device)
        species_BAM, roles_BAM = (
            labels_BKA[:, : len(levels)].transpose(1, 2).repeat_interleave(sizes, dim=2)
            for labels_BKA in (species_BKA, roles_BKA)
        )
        return cls(cover_BAM=torch.cat(covers, dim=2), species_BAM=species_BAM, roles_BAM=roles_BAM)

    @classmethod
    def of_noise(cls, cast_BATHW: Tensor, species_BA: Tensor, *, patch: int) -> Roles:
        """Of noise tokens: the actors of a shot are in the order of its caption."""
        cover_BAN = functional.avg_pool3d(cast_BATHW, (1, patch, patch)).flatten(2)
        order_A = torch.arange(cover_BAN.shape[1], device=cover_BAN.device)
        roles_BA = torch.where(species_BA == NO_LABEL, NO_LABEL, order_A)
        species_BAN, roles_BAN = (labels_BA[..., None].expand_as(cover_BAN) for labels_BA in (species_BA, roles_BA))
        return cls(cover_BAM=cover_BAN, species_BAM=species_BAN, roles_BAM=roles_BAN)

    def to(self, device: torch.device) -> Roles:
        """The same on that device."""
        return Roles(**{name: value.to(device) for name, value in vars(self).items()})


class RoleReader(nn.Module):
    """A linear layer from hidden states to species and role of whom a token shows, one for memory and noise.

    That the two are asked by one layer makes their answers alike, and what is alike attends to each other. The species
    is the first step to the role: without being asked for it, remembered tokens of the embedded model told it in two
    cases of three, and the role hardly.
    """

    def __init__(self, width: int, *, seed: int = 0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.read_embed = _reading(width, len(SPECIES) + ROLES, seed=seed)

    def loss(self, hidden_BMD: Tensor, parts: Sequence[Roles]) -> Tensor:
        """Cross-entropy of both, by how much of a token they cover, mean over both and over the parts.

        The parts follow each other in the tokens.
        """
        sizes = [part.cover_BAM.shape[2] for part in parts]
        losses = []
        for hidden_BSD, part in zip(hidden_BMD.split(sizes, dim=1), parts, strict=True):
            species_BSV, roles_BSR = self.read_embed(self.norm(hidden_BSD)).split([len(SPECIES), ROLES], dim=2)
            losses.append(_own_loss(species_BSV, part.cover_BAM, part.species_BAM))
            losses.append(_own_loss(roles_BSR, part.cover_BAM, part.roles_BAM))
        return torch.stack(losses).mean()


class LookReader(nn.Module):
    """A linear layer from hidden states to the logits of all attributes, its first weights drawn from `seed`."""

    def __init__(self, width: int, *, seed: int = 0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.read_embed = _reading(width, sum(map(len, ATTRIBUTES)), seed=seed)

    def forward(self, hidden_BND: Tensor) -> list[Tensor]:
        """Logits (B, N, classes) of each attribute."""
        return list(self.read_embed(self.norm(hidden_BND)).split([len(names) for names in ATTRIBUTES], dim=2))

    def loss(self, hidden_BMD: Tensor, cast_BATHW: Tensor, looks_BAK: Tensor, *, patch: int) -> Tensor:
        """Cross-entropy of the looks at the tokens that show them, by how much of a token they cover, mean over looks.

        Noise tokens are the last of the joined ones.
        """
        cover_BAN = functional.avg_pool3d(cast_BATHW, (1, patch, patch)).flatten(2)
        logits = self(hidden_BMD[:, -cover_BAN.shape[2] :])
        losses = [
            _own_loss(logits_BNV, cover_BAN, looks_BAK[:, :, index, None].expand_as(cover_BAN))
            for index, logits_BNV in enumerate(logits)
        ]
        return torch.stack(losses).mean()


def _own_loss(logits_BMV: Tensor, cover_BAM: Tensor, labels_BAM: Tensor) -> Tensor:
    """Cross-entropy at every token of each actor's own value, by how much of the token shows that actor."""
    likely_BVM = functional.log_softmax(logits_BMV.float(), 2).transpose(1, 2)
    own_BAM = likely_BVM.take_along_dim(labels_BAM.clamp(min=0), dim=1)
    weight_BAM = cover_BAM * (labels_BAM != NO_LABEL)
    return -(weight_BAM * own_BAM).sum() / weight_BAM.sum().clamp(min=1e-6)


@contextmanager
def hidden_after(transformer: nn.Module, block: int) -> Iterator[list[Tensor]]:
    """What leaves this block (from 0) in the calls inside, one (B, M, D) a call."""
    kept: list[Tensor] = []
    hook = transformer.blocks[block].register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    try:
        yield kept
    finally:
        hook.remove()
