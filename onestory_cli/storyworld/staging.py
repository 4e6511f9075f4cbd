"""Random looks, places, framings, actions and positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from onestory_cli.storyworld.captions import Known, write_captions
from onestory_cli.storyworld.vocabulary import KITE_ACTION, SETTINGS
from onestory_cli.storyworld.world import Actor, CharacterLook, WorldConfig, WorldPlace, WorldShot, is_held_out

_ACCENT_SPOTS = (0.19, 0.5, 0.81)
_SOLO_FRAMINGS = {"wide shot": 0.45, "medium shot": 0.35, "close-up": 0.2}
_PAIR_FRAMINGS = {"wide shot": 0.6, "medium shot": 0.4}
_SOLO_ACTIONS = {"stands": 0.2, "walks left": 0.2, "walks right": 0.2, "jumps": 0.2, "waves": 0.2}
_PAIR_ACTIONS = {"stands": 0.3, "walks left": 0.075, "walks right": 0.075, "jumps": 0.25, "waves": 0.3}
_OWN_ACTIONS = 0.2

# version 2
_TWINS = 0.3
_TWINS_OF_ONE_COLOUR = 0.3
_KITES = 0.35
_FLOWN = 0.4
_TIMES = {"day": 0.5, "sunset": 0.2, "night": 0.3}


@dataclass(frozen=True, kw_only=True)
class StoryCast:
    """The characters and places of one story. Settings never repeat; species repeat only for twins (version 2).

    kite: colour of the story's kite, "" without one
    """

    looks: tuple[CharacterLook, ...]
    places: tuple[WorldPlace, ...]
    kite: str = ""


def draw_cast(
    rng: np.random.Generator, config: WorldConfig, *, looks: int, places: int, twins: bool | None = None
) -> StoryCast:
    """Draw `looks` characters and `places` places, fewer if the world has fewer.

    The first two characters are twins if `twins` is true, by chance if it is None. Version 1 has no twins.
    """
    species = _some(rng, config.species, looks)
    settings = _some(rng, config.settings, places)
    cast = StoryCast(
        looks=tuple(_look(rng, name, config) for name in species),
        places=tuple(_place(rng, name, config) for name in settings),
    )
    return cast if config.version == 1 else _extend(rng, cast, config, twins=twins)


def _extend(rng: np.random.Generator, cast: StoryCast, config: WorldConfig, *, twins: bool | None) -> StoryCast:
    """Add the features of version 2: twins and a kite."""
    looks, chance = list(cast.looks), rng.random() < _TWINS
    if len(looks) > 1 and (chance if twins is None else twins):
        looks[1] = _twin(rng, looks[0], config) or looks[1]
    kite = config.colours[int(rng.integers(len(config.colours)))] if config.kites and rng.random() < _KITES else ""
    return StoryCast(looks=tuple(looks), places=cast.places, kite=kite)


def stage_shot(
    rng: np.random.Generator,
    *,
    place: WorldPlace,
    looks: Sequence[CharacterLook],
    known: Known,
    plain: bool = False,
    kite: str = "",
) -> WorldShot:
    """Draw a shot of the looks in the place; ``plain`` is a wide or medium shot that names its place.

    kite: colour of a kite that may be in the shot, "" for none
    """
    framing = _framing(rng, len(looks), plain=plain)
    actors = _actors(rng, place=place, looks=looks)
    if kite:
        actors, kite = _with_kite(rng, actors, kite=kite, place=place, framing=framing)
    ground = round(float(rng.uniform(0.07, 0.11)), 4)
    captions = write_captions(
        rng, place=place, actors=actors, framing=framing, known=known, kite=kite, may_omit_place=not plain
    )
    return WorldShot(
        place=place,
        actors=actors,
        framing=framing,
        ground=ground,
        caption=captions.caption,
        full_caption=captions.full_caption,
        names_look=captions.names_look,
        names_place=captions.names_place,
        kite=kite,
    )


def _with_kite(
    rng: np.random.Generator, actors: tuple[Actor, ...], *, kite: str, place: WorldPlace, framing: str
) -> tuple[tuple[Actor, ...], str]:
    """With some probability, and if the frame has room, let a single actor fly the kite or put it into an empty sky."""
    possible = SETTINGS[place.setting].has_sky and len(actors) < 2 and framing != "close-up"
    if not possible or rng.random() >= _FLOWN:
        return actors, ""
    return tuple(replace(actor, action=KITE_ACTION, facing=1 if actor.x < 0.5 else -1) for actor in actors), kite


def _some(rng: np.random.Generator, names: Sequence[str], count: int) -> list[str]:
    order = rng.permutation(len(names))[:count]
    return [names[int(index)] for index in order]


def _choose(rng: np.random.Generator, weights: dict[str, float]) -> str:
    names = list(weights)
    share = np.array([weights[name] for name in names])
    return names[int(rng.choice(len(names), p=share / share.sum()))]


def _look(rng: np.random.Generator, species: str, config: WorldConfig) -> CharacterLook:
    """A random look; version 2 redraws a look that `combinations` excludes, unless there is no other."""
    look = _any_look(rng, species, config)
    while not _allowed(look, config) and any(_allowed(other, config) for other in _looks_of(species, config)):
        look = _any_look(rng, species, config)
    return look


def _allowed(look: CharacterLook, config: WorldConfig) -> bool:
    if config.version == 1 or config.combinations == "all" or config.accessories == ("none",):
        return True
    return is_held_out(look) == (config.combinations == "unseen")


def _twin(rng: np.random.Generator, look: CharacterLook, config: WorldConfig) -> CharacterLook | None:
    """A look of the same species that differs in colour or in its accessory; None if the world has no other."""
    others = [other for other in _looks_of(look.species, config) if _allowed(other, config)]
    alike = [other for other in others if other.colour == look.colour and other.accessory != look.accessory]
    alike = [other for other in alike if "none" not in (other.accessory, look.accessory)]
    different = [other for other in others if other.colour != look.colour]
    chosen = alike if alike and (not different or rng.random() < _TWINS_OF_ONE_COLOUR) else different
    return chosen[int(rng.integers(len(chosen)))] if chosen else None


def _looks_of(species: str, config: WorldConfig) -> Iterator[CharacterLook]:
    for colour in config.colours:
        for accessory in config.accessories:
            if accessory == "none":
                yield CharacterLook(species=species, colour=colour)
                continue
            for worn in config.colours:
                if worn != colour:
                    yield CharacterLook(species=species, colour=colour, accessory=accessory, accessory_colour=worn)


def _any_look(rng: np.random.Generator, species: str, config: WorldConfig) -> CharacterLook:
    colour = config.colours[int(rng.integers(len(config.colours)))]
    accessory = config.accessories[int(rng.integers(len(config.accessories)))]
    if accessory == "none":
        return CharacterLook(species=species, colour=colour)
    others = [name for name in config.colours if name != colour]
    return CharacterLook(
        species=species,
        colour=colour,
        accessory=accessory,
        accessory_colour=others[int(rng.integers(len(others)))],
    )


def _place(rng: np.random.Generator, setting: str, config: WorldConfig) -> WorldPlace:
    accent_x = _ACCENT_SPOTS[int(rng.integers(3))] + float(rng.uniform(-0.02, 0.02))
    return WorldPlace(
        setting=setting,
        accent_colour=config.colours[int(rng.integers(len(config.colours)))],
        accent_x=round(accent_x, 4),
        sun_x=round(float(rng.uniform(0.14, 0.86)), 4),
        layout_seed=int(rng.integers(1 << 31)),
        time=_time(rng, setting) if config.version > 1 else "day",
    )


def _time(rng: np.random.Generator, setting: str) -> str:
    return _choose(rng, {time: _TIMES[time] for time in SETTINGS[setting].times})


def _framing(rng: np.random.Generator, count: int, *, plain: bool) -> str:
    if count == 0:
        return "wide shot"
    return _choose(rng, _PAIR_FRAMINGS if plain or count == 2 else _SOLO_FRAMINGS)


def _actors(rng: np.random.Generator, *, place: WorldPlace, looks: Sequence[CharacterLook]) -> tuple[Actor, ...]:
    if not looks:
        return ()
    if len(looks) == 1:
        action = _choose(rng, _SOLO_ACTIONS)
        facing = 1 if rng.random() < 0.5 else -1
        return (Actor(look=looks[0], action=action, x=_solo_x(rng, place, action), facing=facing),)
    action = _choose(rng, _PAIR_ACTIONS)
    actions = [action, action]
    if not action.startswith("walks") and rng.random() < _OWN_ACTIONS:
        actions[1] = _choose(rng, {name: 1.0 for name in ("stands", "jumps", "waves") if name != action})
    return tuple(
        Actor(look=look, action=own, x=x, facing=facing)
        for look, own, x, facing in zip(looks, actions, _pair_x(rng, place), (1, -1), strict=True)
    )


def _solo_x(rng: np.random.Generator, place: WorldPlace, action: str) -> float:
    """A position next to the accent object; nearer to the centre for a walk, which needs room."""
    jitter = float(rng.uniform(-0.03, 0.03))
    walks = action.startswith("walks")
    if place.accent_x < 0.4:
        base = 0.6 if walks else 0.66
    elif place.accent_x > 0.6:
        base = 0.4 if walks else 0.34
    else:
        left = rng.random() < 0.5
        base = (0.38 if walks else 0.25) if left else (0.62 if walks else 0.75)
    return round(base + jitter, 4)


def _pair_x(rng: np.random.Generator, place: WorldPlace) -> tuple[float, float]:
    """Positions in the left and right third, shifted away from the accent object."""
    jitter = float(rng.uniform(-0.015, 0.015))
    if place.accent_x < 0.4:
        pair = (0.39, 0.79)
    elif place.accent_x > 0.6:
        pair = (0.21, 0.61)
    else:
        pair = (0.22, 0.78)
    return round(pair[0] + jitter, 4), round(pair[1] + jitter, 4)
