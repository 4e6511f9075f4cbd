"""Integer labels for the probes: looks and roles of characters, settings and their lasting details.

Shape letters: B batch, A actors of a shot, K labels of each, E earlier shots, L words.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from onestory_cli.storyworld.visibility import SIDES, shows_accent, side
from onestory_cli.storyworld.vocabulary import ACCESSORIES, COLOURS, SETTINGS, SPECIES, tokens
from onestory_cli.storyworld.world import CharacterLook, WorldShot, WorldStory
from onestory_cli.training.probes.token_probe import NO_LABEL, seeded_linear

MAX_ACTORS = 2
ATTRIBUTES: tuple[tuple[str, ...], ...] = (SPECIES, tuple(COLOURS), ACCESSORIES, tuple(COLOURS))
ROLES = MAX_ACTORS + 1  # named first, named second, and a remembered character that the caption does not name
LOOK_CLASSES = tuple(map(len, ATTRIBUTES))
# the species helps to learn the role: without this label, remembered tokens of the embedded model showed the species in
# two of three cases and almost never the role
ROLE_CLASSES = (len(SPECIES), ROLES)
ROLE_LABEL = 1  # index of the role in those; unlike the species it distinguishes twins
SETTING_CLASSES = (len(SETTINGS), len(COLOURS), len(SIDES))


def look_labels(shot: WorldShot) -> list[list[int]]:
    """(A, K): species, colour, accessory and accessory colour of each actor, as vocabulary indices."""
    rows = [_labels(actor.look) for actor in shot.actors]
    return rows + [[NO_LABEL] * len(ATTRIBUTES)] * (MAX_ACTORS - len(rows))


def _labels(look: CharacterLook) -> list[int]:
    values = (look.species, look.colour, look.accessory, look.accessory_colour)
    return [names.index(value) if value else NO_LABEL for names, value in zip(ATTRIBUTES, values, strict=True)]


def word_labels(caption: str, shot: WorldShot, spelled: Sequence[bool], *, length: int) -> list[list[int]]:
    """(L, 1 + K): which actor each word describes, 0 for the first-named, and the labels of its look.

    `spelled`: for each actor, whether the caption describes its look. If not, only its name is labelled.
    """
    words = tokens(caption)
    rows = [[NO_LABEL] * (1 + len(ATTRIBUTES)) for _ in range(max(length, len(words)))]
    for number, (actor, described) in enumerate(zip(shot.actors, spelled, strict=True)):
        start, phrase = _found(words, [actor.look.words()] if described else _names(actor.look))
        looks = _labels(actor.look) if described else [NO_LABEL] * len(ATTRIBUTES)
        for place in range(start, start + len(phrase)):
            rows[place] = [number, *looks]
    return rows[:length]


def _names(look: CharacterLook) -> list[str]:
    """Names that a caption may use for a known character, longest first: twins need more than their species."""
    return [f"{look.species} with the {look.accessory}", f"{look.colour} {look.species}", look.species]


def _found(words: Sequence[str], phrases: Sequence[str]) -> tuple[int, list[str]]:
    """The position and the words of the first phrase that occurs in `words`."""
    for phrase in map(tokens, phrases):
        for place in range(len(words)):
            if list(words[place : place + len(phrase)]) == phrase:
                return place, phrase
    raise ValueError(f"none of {', '.join(phrases)} is in the caption")


def identities(story: WorldStory) -> list[list[int]]:
    """(J, A): index of each actor's character, in order of appearance; twins are two characters."""
    known: list[CharacterLook] = []
    rows = []
    for shot in story.shots:
        known += [actor.look for actor in shot.actors if actor.look not in known]
        row = [known.index(actor.look) for actor in shot.actors]
        rows.append(row + [NO_LABEL] * (MAX_ACTORS - len(row)))
    return rows


def setting_labels(shot: WorldShot) -> list[int]:
    """(K,): the setting, and the colour and side of its accent object if that is in the frame."""
    place = shot.place
    details = [list(COLOURS).index(place.accent_colour), SIDES.index(side(place.accent_x))]
    return [list(SETTINGS).index(place.setting), *(details if shows_accent(shot) else [NO_LABEL] * 2)]


def with_roles(species_BA: Tensor, who_BA: Tensor | None = None, named_BA: Tensor | None = None) -> Tensor:
    """(B, A, 2): the species and role of each actor. The role is its position in the caption, or the last one.

    Rows are shots. `who_BA` and `named_BA` are the identities of the shot's actors and of the caption's actors. Without
    them the shot's actors are those of the caption, in its order.
    """
    if who_BA is None or named_BA is None:
        roles_BA = torch.arange(species_BA.shape[1], device=species_BA.device).expand_as(species_BA)
    else:
        same_BAA = who_BA[..., None] == named_BA[:, None]
        roles_BA = torch.where(same_BAA.any(-1), same_BAA.int().argmax(-1), ROLES - 1)
    return torch.stack([species_BA, torch.where(species_BA == NO_LABEL, NO_LABEL, roles_BA)], dim=2)


class WordProbe(nn.Module):
    """A linear layer on the text encoder that predicts which actor each word describes, and that actor's look."""

    def __init__(self, width: int, *, seed: int = 0) -> None:
        super().__init__()
        self.classes = [MAX_ACTORS, *LOOK_CLASSES]
        self.read_embed = seeded_linear(width, sum(self.classes), seed=seed)

    def loss(self, text_BLE: Tensor, words_BLK: Tensor) -> Tensor:
        """Mean cross-entropy over words and the attributes that occur.

        States and labels are cut to the shorter of the two: the rest is padding, or the tokenizer truncated it.
        """
        length = min(text_BLE.shape[1], words_BLK.shape[1])
        text_BLE, words_BLK = text_BLE[:, :length], words_BLK[:, :length].to(text_BLE.device)
        losses = [
            functional.cross_entropy(logits_BLV.float().flatten(0, 1), words_BLK[..., index].flatten())
            for index, logits_BLV in enumerate(self.read_embed(text_BLE).split(self.classes, dim=2))
            if (words_BLK[..., index] != NO_LABEL).any()
        ]
        return torch.stack(losses).mean() if losses else text_BLE.new_zeros(())
