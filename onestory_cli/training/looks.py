"""What is asked of tokens and words, as numbers: looks and roles of characters, settings and what is lasting in them.

Shape letters: B batch, A actors of a shot, K labels of each, E earlier shots, L words.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from onestory_cli.storyworld.sight import SIDES, shows_accent, side
from onestory_cli.storyworld.vocabulary import ACCESSORIES, COLOURS, SETTINGS, SPECIES, tokens
from onestory_cli.storyworld.world import Look, WorldShot
from onestory_cli.training.shown import NO_LABEL, seeded_linear

MOST_ACTORS = 2
ATTRIBUTES: tuple[tuple[str, ...], ...] = (SPECIES, tuple(COLOURS), ACCESSORIES, tuple(COLOURS))
ROLES = MOST_ACTORS + 1  # named first, named second, and a remembered character that the caption does not name
LOOK_CLASSES = tuple(map(len, ATTRIBUTES))
# the species is the first step to the role: without being asked for it, remembered tokens of the embedded model told it
# in two cases of three, and the role hardly
ROLE_CLASSES = (len(SPECIES), ROLES)
SETTING_CLASSES = (len(SETTINGS), len(COLOURS), len(SIDES))


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


def setting_labels(shot: WorldShot) -> list[int]:
    """(K,): the setting, and colour and side of its accent object where that is in the frame."""
    place = shot.place
    details = [list(COLOURS).index(place.accent_colour), SIDES.index(side(place.accent_x))]
    return [list(SETTINGS).index(place.setting), *(details if shows_accent(shot) else [NO_LABEL] * 2)]


def with_roles(species_BA: Tensor, named_BA: Tensor | None = None) -> Tensor:
    """(B, A, 2): species of actors, and which of the species of a caption's actors each has, or the last role for none.

    Rows are shots. Without `named_BA` they are those of the caption itself, and in its order.
    """
    if named_BA is None:
        roles_BA = torch.arange(species_BA.shape[1], device=species_BA.device).expand_as(species_BA)
    else:
        same_BAA = species_BA[..., None] == named_BA[:, None]
        roles_BA = torch.where(same_BAA.any(-1), same_BAA.int().argmax(-1), ROLES - 1)
    return torch.stack([species_BA, torch.where(species_BA == NO_LABEL, NO_LABEL, roles_BA)], dim=2)


class WordReader(nn.Module):
    """Which actor each word of a caption is about and how that one looks: a linear layer after the text encoder."""

    def __init__(self, width: int, *, seed: int = 0) -> None:
        super().__init__()
        self.classes = [MOST_ACTORS, *LOOK_CLASSES]
        self.read_embed = seeded_linear(width, sum(self.classes), seed=seed)

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
