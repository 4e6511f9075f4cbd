"""Every name, colour and word of the story world.

The caption grammar is closed: `WORDS` lists all tokens a caption can hold, so a text
encoder may use a plain word table and an editor may warn about unknown words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SettingWords:
    """How a setting is spoken of: ``<preposition> a <noun>``."""

    preposition: str
    noun: str


SPECIES: tuple[str, ...] = (
    "fox",
    "robot",
    "rabbit",
    "ghost",
    "bird",
    "mushroom",
    "bear",
    "octopus",
    "frog",
    "star",
)

# RGB in 0..255, chosen far apart so that a blurry autoencoder keeps them distinct.
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (215, 30, 40),
    "orange": (250, 130, 15),
    "yellow": (252, 222, 45),
    "green": (40, 165, 65),
    "blue": (35, 95, 230),
    "purple": (135, 45, 185),
    "pink": (255, 140, 200),
    "white": (246, 246, 246),
}

ACCESSORIES: tuple[str, ...] = ("none", "hat", "scarf", "shirt")

SETTINGS: dict[str, SettingWords] = {
    "beach": SettingWords(preposition="on", noun="beach"),
    "forest": SettingWords(preposition="in", noun="forest"),
    "city": SettingWords(preposition="in", noun="city at night"),
    "desert": SettingWords(preposition="in", noun="desert"),
    "snow": SettingWords(preposition="in", noun="snowy valley"),
    "kitchen": SettingWords(preposition="in", noun="kitchen"),
    "meadow": SettingWords(preposition="in", noun="meadow"),
    "moon": SettingWords(preposition="on", noun="moon"),
}

FRAMINGS: tuple[str, ...] = ("wide shot", "medium shot", "close-up")

ACTIONS: tuple[str, ...] = ("stands", "walks left", "walks right", "jumps", "waves")

# action -> (singular, plural) phrases; the first is the usual one.
ACTION_PHRASES: dict[str, tuple[tuple[str, str], ...]] = {
    "stands": (("stands", "stand"),),
    "walks left": (("walks left", "walk left"), ("strolls left", "stroll left")),
    "walks right": (("walks right", "walk right"), ("strolls right", "stroll right")),
    "jumps": (("jumps", "jump"), ("hops", "hop")),
    "waves": (("waves", "wave"),),
}

PUNCTUATION: tuple[str, ...] = (".", ",")
GRAMMAR_WORDS: tuple[str, ...] = ("a", "an", "the", "same", "with", "and", "back", "on", "in")

_TOKEN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*|[^\sa-z0-9]")


def tokens(text: str) -> list[str]:
    """Lower-case words and punctuation marks of a caption, in order."""
    return _TOKEN.findall(text.lower())


def article(phrase: str) -> str:
    """The phrase with its indefinite article: "a red fox", "an orange fox"."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _all_words() -> tuple[str, ...]:
    phrases = [*SPECIES, *COLOURS, *ACCESSORIES[1:], *FRAMINGS]
    phrases += [f"{words.preposition} {words.noun}" for words in SETTINGS.values()]
    phrases += [form for forms in ACTION_PHRASES.values() for pair in forms for form in pair]
    found = [*PUNCTUATION, *GRAMMAR_WORDS]
    for phrase in phrases:
        found += tokens(phrase)
    return tuple(dict.fromkeys(found))


WORDS: tuple[str, ...] = _all_words()
