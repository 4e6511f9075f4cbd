"""Names, colours and words of the story world.

The caption grammar is closed: `words_of(version)` lists every token that a caption can contain. A text encoder can
therefore use a plain word table, and `onestory check` can warn about unknown words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SettingWords:
    """How captions name a setting: ``<preposition> a <noun>``.

    times: times of day that the setting has in version 2; the first one needs no phrase
    has_sky: whether a kite can fly there
    """

    preposition: str
    noun: str
    times: tuple[str, ...] = ("day",)
    has_sky: bool = True


VERSIONS: tuple[int, ...] = (1, 2)

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

# RGB in 0..255, far apart so that a blurry autoencoder keeps them distinct.
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

_OUTDOORS = ("day", "sunset", "night")

SETTINGS: dict[str, SettingWords] = {
    "beach": SettingWords(preposition="on", noun="beach", times=_OUTDOORS),
    "forest": SettingWords(preposition="in", noun="forest", times=_OUTDOORS),
    "city": SettingWords(preposition="in", noun="city at night"),
    "desert": SettingWords(preposition="in", noun="desert", times=_OUTDOORS),
    "snow": SettingWords(preposition="in", noun="snowy valley", times=_OUTDOORS),
    "kitchen": SettingWords(preposition="in", noun="kitchen", has_sky=False),
    "meadow": SettingWords(preposition="in", noun="meadow", times=_OUTDOORS),
    "moon": SettingWords(preposition="on", noun="moon", has_sky=False),
}

TIME_PHRASES: dict[str, str] = {"day": "", "sunset": " at sunset", "night": " at night"}

FRAMINGS: tuple[str, ...] = ("wide shot", "medium shot", "close-up")

KITE_ACTION = "flies a kite"
ACTIONS: tuple[str, ...] = ("stands", "walks left", "walks right", "jumps", "waves", KITE_ACTION)

# action -> (singular, plural) phrases; the first is the usual one. Only a single character flies a kite.
ACTION_PHRASES: dict[str, tuple[tuple[str, str], ...]] = {
    "stands": (("stands", "stand"),),
    "walks left": (("walks left", "walk left"), ("strolls left", "stroll left")),
    "walks right": (("walks right", "walk right"), ("strolls right", "stroll right")),
    "jumps": (("jumps", "jump"), ("hops", "hop")),
    "waves": (("waves", "wave"),),
    KITE_ACTION: (("flies", "flies"),),
}

VERSION_2_WORD = "sunset"  # known to models of version 2 only
KITE_WORD = "kite"  # known to models of version 2 that can draw one

PUNCTUATION: tuple[str, ...] = (".", ",")
GRAMMAR_WORDS: tuple[str, ...] = ("a", "an", "the", "same", "with", "and", "back", "on", "in")

_TOKEN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*|[^\sa-z0-9]")


def tokens(text: str) -> list[str]:
    """Return the lower-case words and punctuation marks of a caption, in order."""
    return _TOKEN.findall(text.lower())


def article(phrase: str) -> str:
    """Return the phrase with its indefinite article: "a red fox", "an orange fox"."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def setting_phrases(setting: str, version: int) -> tuple[str, ...]:
    """Return the noun of a setting, alone and in version 2 with each of its times of day."""
    words = SETTINGS[setting]
    times = words.times if version > 1 else words.times[:1]
    return tuple(f"{words.noun}{TIME_PHRASES[time]}" for time in times)


def words_of(version: int, *, kites: bool = True) -> tuple[str, ...]:
    """Return every word of a version's captions. The order is the order of tokens in a trained tokenizer.

    kites: with the words for kites, which version 1 lacks
    """
    phrases = [*SPECIES, *COLOURS, *ACCESSORIES[1:], *FRAMINGS]
    phrases += [f"{words.preposition} {words.noun}" for words in SETTINGS.values()]
    phrases += [
        form for action, forms in ACTION_PHRASES.items() if action != KITE_ACTION for pair in forms for form in pair
    ]
    if version > 1:
        phrases += TIME_PHRASES.values()
    if version > 1 and kites:
        phrases.append(f"{ACTION_PHRASES[KITE_ACTION][0][0]} {KITE_WORD} over")
    found = [*PUNCTUATION, *GRAMMAR_WORDS]
    for phrase in phrases:
        found += tokens(phrase)
    return tuple(dict.fromkeys(found))


WORDS: tuple[str, ...] = words_of(1)
