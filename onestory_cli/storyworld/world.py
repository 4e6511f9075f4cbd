"""Data types of a story: looks, places, actors and shots."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, get_args

from onestory_cli.storyworld import vocabulary

HELD_OUT = 1_000_000  # training never uses a story with this seed or a higher one
PlaceNaming = Literal["full", "again", "omitted"]
Combinations = Literal["trained", "unseen", "all"]

_HELD_OUT_PERIOD = 8  # one look with an accessory in eight is held out


def _require_known(kind: str, names: Collection[str], known: Collection[str]) -> None:
    if not names:
        raise ValueError(f"{kind}: at least one name is needed")
    if len(set(names)) != len(names):
        raise ValueError(f"{kind}: a name is given twice in {tuple(names)}")
    for name in names:
        if name not in known:
            raise ValueError(f"{kind}: unknown name {name!r}; known: {', '.join(known)}")


@dataclass(frozen=True, kw_only=True)
class WorldConfig:
    """The part of the world to draw, and its size. The defaults are the whole world of version 1.

    version: 2 adds kites, times of day, twins and clearer gestures; version 1 is the world of the first weights
    kites: whether stories of version 2 have kites; version 1 has none
    combinations: the looks that version 2 draws: trained, held-out (see `is_held_out`) or all
    size: frame height and width in pixels
    frames: frames per shot
    fps: frames per second when a shot is played (the drawing depends only on ``frames``)
    """

    species: tuple[str, ...] = vocabulary.SPECIES
    colours: tuple[str, ...] = tuple(vocabulary.COLOURS)
    accessories: tuple[str, ...] = vocabulary.ACCESSORIES
    settings: tuple[str, ...] = tuple(vocabulary.SETTINGS)
    size: int = 64
    frames: int = 17
    fps: int = 8
    version: int = 1
    kites: bool = True
    combinations: Combinations = "trained"

    def __post_init__(self) -> None:
        if self.version not in vocabulary.VERSIONS:
            raise ValueError(f"version must be 1 or 2, not {self.version}")
        if self.combinations not in get_args(Combinations):
            raise ValueError(f"combinations must be one of {', '.join(get_args(Combinations))}")
        _require_known("species", self.species, vocabulary.SPECIES)
        _require_known("colours", self.colours, vocabulary.COLOURS)
        _require_known("accessories", self.accessories, vocabulary.ACCESSORIES)
        _require_known("settings", self.settings, vocabulary.SETTINGS)
        if self.accessories != ("none",) and len(self.colours) < 2:
            raise ValueError("colours: an accessory needs a second colour, distinct from the body's")
        for name in ("size", "frames", "fps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")


@dataclass(frozen=True, kw_only=True)
class CharacterLook:
    """The look of a character in a whole story. ``accessory_colour`` is "" without an accessory."""

    species: str
    colour: str
    accessory: str = "none"
    accessory_colour: str = ""

    def __post_init__(self) -> None:
        _require_known("species", (self.species,), vocabulary.SPECIES)
        _require_known("colour", (self.colour,), vocabulary.COLOURS)
        _require_known("accessory", (self.accessory,), vocabulary.ACCESSORIES)
        if self.accessory == "none":
            if self.accessory_colour:
                raise ValueError("accessory_colour must be empty without an accessory")
        else:
            _require_known("accessory_colour", (self.accessory_colour,), vocabulary.COLOURS)

    def words(self) -> str:
        """For example "a red fox with a blue scarf"."""
        phrase = vocabulary.article(f"{self.colour} {self.species}")
        if self.accessory == "none":
            return phrase
        return f"{phrase} with {vocabulary.article(f'{self.accessory_colour} {self.accessory}')}"


def is_held_out(look: CharacterLook) -> bool:
    """Whether version 2 keeps this (species, colour, accessory) out of training; the accessory's colour is free."""
    if look.accessory == "none":
        return False
    species, colours = vocabulary.SPECIES.index(look.species), list(vocabulary.COLOURS).index(look.colour)
    return (species + colours + 3 * vocabulary.ACCESSORIES.index(look.accessory)) % _HELD_OUT_PERIOD == 0


@dataclass(frozen=True, kw_only=True)
class WorldPlace:
    """A setting with the details that persist whenever a story returns to it.

    accent_colour: colour name of the accent object (umbrella, tent, fridge, ...)
    accent_x: horizontal centre of the accent object, 0 (left) .. 1 (right) of a wide shot
    sun_x: horizontal centre of the sun, moon, planet or window, same units
    layout_seed: decides trees, buildings, hills and the small palette jitter
    time: time of day
    """

    setting: str
    accent_colour: str
    accent_x: float
    sun_x: float
    layout_seed: int
    time: str = field(default="day", repr=False)  # benchmark keys hash the repr, and `full_caption` has the time

    def __post_init__(self) -> None:
        _require_known("setting", (self.setting,), vocabulary.SETTINGS)
        _require_known("accent_colour", (self.accent_colour,), vocabulary.COLOURS)
        _require_known("time", (self.time,), vocabulary.SETTINGS[self.setting].times)

    def words(self) -> str:
        """For example "a beach at sunset"."""
        noun = vocabulary.SETTINGS[self.setting].noun
        return vocabulary.article(f"{noun}{vocabulary.TIME_PHRASES[self.time]}")


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A character in one shot.

    x: where it acts (a walk passes there half-way), 0 .. 1 of a wide shot
    facing: 1 looks right, -1 looks left
    """

    look: CharacterLook
    action: str
    x: float
    facing: int

    def __post_init__(self) -> None:
        _require_known("action", (self.action,), vocabulary.ACTIONS)
        if self.facing not in (-1, 1):
            raise ValueError("facing must be 1 or -1")


@dataclass(frozen=True, kw_only=True)
class WorldShot:
    """One shot and its captions.

    actors: none, one or two, the first-named on the left
    kite: colour of the kite, "" without one; the first actor holds it if its action is to fly it
    ground: height of the feet above the lower edge of a wide shot, as a part of its height
    caption: referential, "the same fox" once the fox has been introduced
    full_caption: every look and place spelled out
    names_look: per actor, whether ``caption`` spells its look (its first mention)
    names_place: whether ``caption`` introduces the place, refers to it, or leaves it out
        (then it is the place of the previous shot)
    """

    place: WorldPlace
    actors: tuple[Actor, ...]
    framing: str
    ground: float
    caption: str
    full_caption: str
    names_look: tuple[bool, ...]
    names_place: PlaceNaming
    kite: str = field(default="", repr=False)  # benchmark keys hash the repr, and the captions name the kite

    def __post_init__(self) -> None:
        _require_known("framing", (self.framing,), vocabulary.FRAMINGS)
        if len(self.actors) > 2:
            raise ValueError("a shot has at most two actors")
        if len(self.names_look) != len(self.actors):
            raise ValueError("names_look needs one flag per actor")
        if any(actor.action == vocabulary.KITE_ACTION for actor in self.actors) and not self.kite:
            raise ValueError("an actor that flies a kite needs the kite's colour")


@dataclass(frozen=True, kw_only=True)
class WorldStory:
    """A sequence of shots, reproducible from ``seed`` and ``pattern``."""

    seed: int
    pattern: str
    shots: tuple[WorldShot, ...]
