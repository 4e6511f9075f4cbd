"""Choosing looks, places, framings, actions and positions at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onestory_cli.storyworld.captions import Known, write_captions
from onestory_cli.storyworld.world import Actor, Look, Place, WorldConfig, WorldShot

_ACCENT_SPOTS = (0.19, 0.5, 0.81)
_SOLO_FRAMINGS = {"wide shot": 0.45, "medium shot": 0.35, "close-up": 0.2}
_PAIR_FRAMINGS = {"wide shot": 0.6, "medium shot": 0.4}
_SOLO_ACTIONS = {"stands": 0.2, "walks left": 0.2, "walks right": 0.2, "jumps": 0.2, "waves": 0.2}
_PAIR_ACTIONS = {"stands": 0.3, "walks left": 0.075, "walks right": 0.075, "jumps": 0.25, "waves": 0.3}
_OWN_ACTIONS = 0.2


@dataclass(frozen=True, kw_only=True)
class Company:
    """The characters and places of one story: no species and no setting comes twice."""

    looks: tuple[Look, ...]
    places: tuple[Place, ...]


def draw_company(rng: np.random.Generator, config: WorldConfig, *, looks: int, places: int) -> Company:
    """Up to so many looks and places, fewer in a smaller world."""
    species = _some(rng, config.species, looks)
    settings = _some(rng, config.settings, places)
    return Company(
        looks=tuple(_look(rng, name, config) for name in species),
        places=tuple(_place(rng, name, config) for name in settings),
    )


def stage_shot(
    rng: np.random.Generator,
    *,
    place: Place,
    looks: Sequence[Look],
    known: Known,
    plain: bool = False,
) -> WorldShot:
    """A shot of the looks in the place; ``plain`` is a wide or medium shot which names its place."""
    framing = _framing(rng, len(looks), plain=plain)
    actors = _actors(rng, place=place, looks=looks)
    ground = round(float(rng.uniform(0.07, 0.11)), 4)
    captions = write_captions(rng, place=place, actors=actors, framing=framing, known=known, may_omit_place=not plain)
    return WorldShot(
        place=place,
        actors=actors,
        framing=framing,
        ground=ground,
        caption=captions.caption,
        full_caption=captions.full_caption,
        names_look=captions.names_look,
        names_place=captions.names_place,
    )


def _some(rng: np.random.Generator, names: Sequence[str], count: int) -> list[str]:
    order = rng.permutation(len(names))[:count]
    return [names[int(index)] for index in order]


def _choose(rng: np.random.Generator, weights: dict[str, float]) -> str:
    names = list(weights)
    share = np.array([weights[name] for name in names])
    return names[int(rng.choice(len(names), p=share / share.sum()))]


def _look(rng: np.random.Generator, species: str, config: WorldConfig) -> Look:
    colour = config.colours[int(rng.integers(len(config.colours)))]
    accessory = config.accessories[int(rng.integers(len(config.accessories)))]
    if accessory == "none":
        return Look(species=species, colour=colour)
    others = [name for name in config.colours if name != colour]
    return Look(
        species=species,
        colour=colour,
        accessory=accessory,
        accessory_colour=others[int(rng.integers(len(others)))],
    )


def _place(rng: np.random.Generator, setting: str, config: WorldConfig) -> Place:
    accent_x = _ACCENT_SPOTS[int(rng.integers(3))] + float(rng.uniform(-0.02, 0.02))
    return Place(
        setting=setting,
        accent_colour=config.colours[int(rng.integers(len(config.colours)))],
        accent_x=round(accent_x, 4),
        sun_x=round(float(rng.uniform(0.14, 0.86)), 4),
        layout_seed=int(rng.integers(1 << 31)),
    )


def _framing(rng: np.random.Generator, count: int, *, plain: bool) -> str:
    if count == 0:
        return "wide shot"
    return _choose(rng, _PAIR_FRAMINGS if plain or count == 2 else _SOLO_FRAMINGS)


def _actors(rng: np.random.Generator, *, place: Place, looks: Sequence[Look]) -> tuple[Actor, ...]:
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


def _solo_x(rng: np.random.Generator, place: Place, action: str) -> float:
    """Beside the accent object; nearer to the middle for a walk, which needs room."""
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


def _pair_x(rng: np.random.Generator, place: Place) -> tuple[float, float]:
    """Left and right third, moved a little away from the accent object."""
    jitter = float(rng.uniform(-0.015, 0.015))
    if place.accent_x < 0.4:
        pair = (0.39, 0.79)
    elif place.accent_x > 0.6:
        pair = (0.21, 0.61)
    else:
        pair = (0.22, 0.78)
    return round(pair[0] + jitter, 4), round(pair[1] + jitter, 4)
