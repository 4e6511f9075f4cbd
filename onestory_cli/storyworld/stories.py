"""Multi-shot stories with ground truth about returning characters and places.

A story is first planned as a list of slots (characters and a place), then staged shot by shot.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from onestory_cli.storyworld.captions import Known, twin_names
from onestory_cli.storyworld.staging import StoryCast, draw_cast, stage_shot
from onestory_cli.storyworld.world import WorldConfig, WorldShot, WorldStory

PATTERNS: tuple[str, ...] = ("subject", "recall", "composition", "mixed")  # of version 1

# (indices of the looks shown, index of the place)
Slot = tuple[tuple[int, ...], int]
Rng = np.random.Generator

_CHARACTER_WEIGHT = 0.6
_PLACE_WEIGHT = 0.4


def patterns_of(version: int) -> tuple[str, ...]:
    """Return the patterns of a version's random stories."""
    return PATTERNS if version == 1 else (*PATTERNS, "trio")


def make_story(
    seed: int, config: WorldConfig, *, shots: int = 6, pattern: str | None = None, twins: bool | None = None
) -> WorldStory:
    """Draw a random story; the same arguments give the same story.

    pattern: one of `patterns_of(config.version)`; None draws one
    twins: whether the first two characters are twins (version 2); None leaves it to chance
    """
    patterns = patterns_of(config.version)
    if shots < 1:
        raise ValueError("shots must be at least 1")
    if pattern is not None and pattern not in patterns:
        raise ValueError(f"unknown pattern {pattern!r}; known: {', '.join(patterns)}")
    rng = np.random.default_rng((seed, 1))
    drawn = patterns[int(rng.integers(len(patterns)))]
    pattern = pattern or drawn
    cast = draw_cast(rng, config, looks=3, places=3 if shots < 9 else 4, twins=twins)
    slots = _PLANNERS[pattern](rng, cast, shots)
    return WorldStory(seed=seed, pattern=pattern, shots=stage(rng, cast, slots))


def gap_story(seed: int, config: WorldConfig, *, gap: int) -> WorldStory:
    """Draw a character and a place, ``gap`` shots without either, then both again, by reference.

    The story has ``gap + 2`` shots. It needs a world of at least two settings.
    """
    if gap < 0:
        raise ValueError("gap must not be negative")
    if len(config.settings) < 2:
        raise ValueError("settings: a gap story needs at least two")
    rng = np.random.default_rng((seed, 2))
    cast = draw_cast(rng, config, looks=3, places=3)
    others = range(1, len(cast.looks))
    slots: list[Slot] = [((0,), 0)]
    for _ in range(gap):
        who = _one(rng, others) if rng.random() < 0.75 else ()
        slots.append((who, int(rng.integers(1, len(cast.places)))))
    slots.append(((0,), 0))
    return WorldStory(seed=seed, pattern="gap", shots=stage(rng, cast, slots, plain={0, gap + 1}))


def relevance(story: WorldStory, target: int) -> tuple[float, ...]:
    """Return the relevance in -1 .. 1 of each shot before ``target``.

    It is the share of the target's characters and place that the shot shows, of those that any earlier shot shows:
    -1 for none, 1 for all. Characters have weight 0.6 and the place 0.4; if only one of the two is known, it has all
    the weight.
    """
    if not 0 <= target < len(story.shots):
        raise ValueError(f"target {target} is not a shot of the story")
    earlier, shot = story.shots[:target], story.shots[target]
    seen = {item for before in earlier for item in _shown_names(before)}
    needed = _shown_names(shot) & seen
    place_known = any(before.place == shot.place for before in earlier)
    who = _CHARACTER_WEIGHT if needed else 0.0
    where = _PLACE_WEIGHT if place_known else 0.0
    scores = []
    for before in earlier:
        gained = where * (before.place == shot.place)
        if needed:
            gained += who * len(needed & _shown_names(before)) / len(needed)
        scores.append(2 * gained / (who + where) - 1 if who + where else -1.0)
    return tuple(scores)


def shown_before(story: WorldStory, target: int) -> tuple[tuple[str, ...], ...]:
    """Return, per character and place in the target's caption, the earlier shots that show it: "0", "1", ..."""
    shot, earlier = story.shots[target], list(enumerate(story.shots[:target]))
    found = [
        [index for index, before in earlier if name in _shown_names(before)] for name in sorted(_shown_names(shot))
    ]
    if shot.names_place != "omitted":
        found.append([index for index, before in earlier if before.place == shot.place])
    return tuple(tuple(map(str, shots)) for shots in found if shots)


def _shown_names(shot: WorldShot) -> set[str]:
    """Return what a shot shows that later shots can refer to: a name per character, and "kite"."""
    names = {f"{actor.look.species}: {actor.look.words()}" for actor in shot.actors}
    return names | ({"kite"} if shot.kite else set())


def stage(rng: Rng, cast: StoryCast, slots: list[Slot], plain: set[int] | None = None) -> tuple[WorldShot, ...]:
    """Draw the shots of the slots in order; captions refer to what earlier shots introduced."""
    known = Known(names=twin_names(cast.looks))
    shots: list[WorldShot] = []
    for index, (who, where) in enumerate(slots):
        place = cast.places[where]
        looks = [cast.looks[number] for number in who]
        shot = stage_shot(rng, place=place, looks=looks, known=known, plain=index in (plain or ()), kite=cast.kite)
        shots.append(shot)
        known = known.after(place, shot.actors, shot.kite)
    return tuple(shots)


def _one(rng: Rng, numbers: range) -> tuple[int, ...]:
    """One of the numbers; empty if the world has no other character."""
    return (numbers[int(rng.integers(len(numbers)))],) if numbers else ()


def _shuffled(rng: Rng, first: int, second: int) -> tuple[int, int]:
    return (first, second) if rng.random() < 0.5 else (second, first)


def _next_place(rng: Rng, places: int, now: int, stay: float) -> int:
    return now if rng.random() < stay else int(rng.integers(places))


def _plan_subject(rng: Rng, cast: StoryCast, shots: int) -> list[Slot]:
    """One main character in changing places; sometimes another one or none."""
    places = len(cast.places)
    slots: list[Slot] = [((0,), 0)]
    # At most a third of the shots show others.
    spare = shots // 3
    while len(slots) < shots:
        where = _next_place(rng, places, slots[-1][1], 0.4)
        who: tuple[int, ...] = (0,)
        if spare and rng.random() < 0.3:
            spare -= 1
            who = () if rng.random() < 0.5 else _one(rng, range(1, len(cast.looks)))
        slots.append((who, where))
    return slots


def _plan_recall(rng: Rng, cast: StoryCast, shots: int) -> list[Slot]:
    """A, an inserted scene elsewhere, A again, then the inserted scene or A revisited."""
    places = len(cast.places)
    slots: list[Slot] = [((0,), 0)]
    inserted: list[Slot] = []
    for _ in range(int(rng.integers(1, 4))):
        who = _one(rng, range(1, min(len(cast.looks), 3))) if rng.random() < 0.75 else ()
        inserted.append((who, int(rng.integers(1, places)) if places > 1 else 0))
    slots += inserted[: max(1, shots - 2)]
    slots.append(((0,), 0 if rng.random() < 0.75 else int(rng.integers(places))))
    while len(slots) < shots:
        if rng.random() < 0.5:
            slots.append(inserted[int(rng.integers(len(inserted)))])
        else:
            slots.append(((0,), _next_place(rng, places, 0, 0.6)))
    return slots[:shots]


def _plan_composition(rng: Rng, cast: StoryCast, shots: int) -> list[Slot]:
    """A alone, B alone, later both together; like "subject" in a world of one species."""
    if len(cast.looks) < 2:
        return _plan_subject(rng, cast, shots)
    places = len(cast.places)
    home = 1 if places > 1 and rng.random() < 0.7 else 0
    slots: list[Slot] = [((0,), 0)]
    if shots > 3 and rng.random() < 0.35:
        slots.append(((0,), _next_place(rng, places, 0, 0.6)))
    slots.append(((1,), home))
    if shots > 4 and rng.random() < 0.35:
        slots.append(((), _next_place(rng, places, home, 0.5)))
    slots.append((_shuffled(rng, 0, 1), _next_place(rng, places, home, 0.4)))
    while len(slots) < shots:
        casts = ((0,), (1,), _shuffled(rng, 0, 1), ())
        who = casts[int(rng.choice(4, p=(0.25, 0.25, 0.4, 0.1)))]
        slots.append((who, _next_place(rng, places, slots[-1][1], 0.4)))
    return slots[:shots]


def _plan_mixed(rng: Rng, cast: StoryCast, shots: int) -> list[Slot]:
    """A random walk over cast and places."""
    looks, places = len(cast.looks), len(cast.places)
    slots: list[Slot] = []
    where = 0
    while len(slots) < shots:
        count = int(rng.choice(3, p=(0.15, 0.6, 0.25)))
        order = rng.permutation(looks)[: min(count, looks)]
        slots.append((tuple(int(number) for number in order), where))
        where = _next_place(rng, places, where, 0.35)
    return slots


def _plan_trio(rng: Rng, cast: StoryCast, shots: int) -> list[Slot]:
    """Three characters introduced one by one, then any one or two of them; a random walk in a smaller world."""
    if len(cast.looks) < 3 or shots < 4:
        return _plan_mixed(rng, cast, shots)
    places = len(cast.places)
    slots: list[Slot] = [((number,), int(rng.integers(places))) for number in range(3)]
    while len(slots) < shots:
        first, second = (int(number) for number in rng.permutation(3)[:2])
        who = (first, second) if rng.random() < 0.5 else (first,)
        slots.append((who, _next_place(rng, places, slots[-1][1], 0.4)))
    return slots


_PLANNERS: dict[str, Callable[[Rng, StoryCast, int], list[Slot]]] = {
    "subject": _plan_subject,
    "recall": _plan_recall,
    "composition": _plan_composition,
    "mixed": _plan_mixed,
    "trio": _plan_trio,
}
