"""Compare the captions of a storyworld film with the attributes that the read-out finds."""

from __future__ import annotations

from collections.abc import Sequence

from onestory_cli.evaluation.embeddings import Reading
from onestory_cli.evaluation.questions import compare
from onestory_cli.storyworld.vocabulary import ACCESSORIES, COLOURS, SETTINGS, SPECIES, tokens
from onestory_cli.storyworld.world import CharacterLook


def look_of(text: str) -> CharacterLook | None:
    """The look in a character's description, or None if it does not name exactly one species and its colour.

    Colours come before the noun that they describe, as in "a red fox with a blue scarf".
    """
    words = tokens(text)
    species = [word for word in words if word in SPECIES]
    if len(species) != 1 or not (colour := _colour_before(words, species[0])):
        return None
    worn = [word for word in words if word in ACCESSORIES]
    if not worn:
        return CharacterLook(species=species[0], colour=colour)
    wear = _colour_before(words, worn[0])
    if len(worn) > 1 or not wear:
        return None
    return CharacterLook(species=species[0], colour=colour, accessory=worn[0], accessory_colour=wear)


def setting_of(text: str) -> str | None:
    """The setting that a description names, or None if it does not name exactly one."""
    words = tokens(text)
    found = [name for name, item in SETTINGS.items() if _contains(words, tokens(item.noun))]
    return found[0] if len(found) == 1 else None


def marks_of(reading: Reading, *, look: str = "", setting: str = "") -> dict[str, bool]:
    """Attribute -> whether the reading matches the description; empty for descriptions without enough detail."""
    marks: dict[str, bool] = {}
    if wanted := look_of(look):
        marks |= dict(compare(wanted, reading))
    if place := setting_of(setting):
        marks["setting"] = reading.setting == place
    return marks


def _colour_before(words: Sequence[str], noun: str) -> str:
    place = words.index(noun)
    return words[place - 1] if place and words[place - 1] in COLOURS else ""


def _contains(words: Sequence[str], phrase: Sequence[str]) -> bool:
    return any([*words[start : start + len(phrase)]] == [*phrase] for start in range(len(words)))
