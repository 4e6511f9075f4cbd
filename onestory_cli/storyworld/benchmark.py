"""Stories for benchmarks: the paper's three patterns of six shots, and a ladder of gaps (OneStory, Appendix B)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from onestory_cli.storyworld.staging import StoryCast, draw_cast
from onestory_cli.storyworld.stories import Rng, Slot, stage
from onestory_cli.storyworld.world import WorldConfig, WorldStory

SUBJECT, INSERT, COMPOSITION = "main subject", "insert and recall", "composition"
PATTERN_SHOTS = 6
GAPS = (1, 2, 3, 5, 7, 9)


def pattern_story(seed: int, config: WorldConfig, *, pattern: str) -> WorldStory:
    """Draw a story of six shots in one of the paper's patterns; the same arguments give the same story.

    Raises:
        ValueError: the world has fewer than two species or three settings.
    """
    _require(config)
    rng = np.random.default_rng((seed, 3))
    cast = draw_cast(rng, config, looks=2, places=3)
    return WorldStory(seed=seed, pattern=pattern, shots=stage(rng, cast, _PATTERNS[pattern](rng)))


def _main_subject(rng: Rng) -> list[Slot]:
    """One character in every shot, in places that change and return."""
    where = [0]
    while len(where) < PATTERN_SHOTS:
        where.append(where[-1] if rng.random() < 0.25 else int(rng.integers(3)))
    return [((0,), place) for place in where]


def _insert_and_recall(rng: Rng) -> list[Slot]:
    """A character, one to three shots of another one or of an empty place, the first again, then the inserted again."""
    inserted: Slot = ((1,) if rng.random() < 0.75 else (), 1)
    opening: list[Slot] = [((0,), place) for place in (0, 2)[: int(rng.integers(1, 3))]]
    between = [inserted, *((inserted[0], int(rng.integers(1, 3))) for _ in range(int(rng.integers(0, 3))))]
    before = [*opening, *between][: PATTERN_SHOTS - 2]
    again: list[Slot] = [((0,), 0)] * (PATTERN_SHOTS - 2 - len(before))
    return [*before, ((0,), 0), inserted, *again]


def _composition(rng: Rng) -> list[Slot]:
    """Two characters introduced separately, then together, one of them alone, and together again."""
    home = int(rng.integers(2))
    together = [(0, 1) if rng.random() < 0.5 else (1, 0) for _ in range(3)]
    where = [int(rng.integers(3)) for _ in range(4)]
    alone = int(rng.integers(2))
    return [
        ((0,), 0),
        ((1,), home),
        (together[0], where[0]),
        ((alone,), where[1]),
        (together[1], where[2]),
        (together[2], where[3]),
    ]


_PATTERNS: dict[str, Callable[[Rng], list[Slot]]] = {
    SUBJECT: _main_subject,
    INSERT: _insert_and_recall,
    COMPOSITION: _composition,
}


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """One film that measures several gaps: after each number of other shots, a shot returns to the first one.

    story: the first shot, then distractions with the returns among them, in the order of generation
    visible: per shot, the shots that it may remember. Returns are never among them, so they do not affect each other
    rungs: gap -> the shots of the story "first shot, that many distractions, return"
    """

    story: WorldStory
    visible: tuple[tuple[int, ...], ...]
    rungs: dict[int, tuple[int, ...]]


def ladder_story(seed: int, config: WorldConfig, *, gaps: Sequence[int] = GAPS) -> Ladder:
    """Draw a character and a place, then shots without either; after each gap the same shot returns to both.

    The return has one caption, which refers to both, so that only the gap differs between rungs.
    """
    _require(config)
    rng = np.random.default_rng((seed, 4))
    cast = draw_cast(rng, config, looks=3, places=3)
    last = max(gaps)
    slots: list[Slot] = [((0,), 0), *(_distraction(rng, cast) for _ in range(last)), ((0,), 0)]
    staged = stage(rng, cast, slots, plain={0, last + 1})
    order: list[int] = []  # per generated shot, its index in `staged`
    for number in range(last + 1):
        order += [number, last + 1] if number in gaps else [number]
    trunk = {number: order.index(number) for number in range(last + 1)}
    visible = tuple(tuple(trunk[before] for before in trunk if trunk[before] < shot) for shot in range(len(order)))
    rungs = {gap: (*(trunk[number] for number in range(gap + 1)), trunk[gap] + 1) for gap in sorted(gaps)}
    story = WorldStory(seed=seed, pattern="ladder", shots=tuple(staged[number] for number in order))
    return Ladder(story=story, visible=visible, rungs=rungs)


def _distraction(rng: Rng, cast: StoryCast) -> Slot:
    """Another character or none, in another place."""
    who = (int(rng.integers(1, len(cast.looks))),) if rng.random() < 0.75 else ()
    return who, int(rng.integers(1, len(cast.places)))


def _require(config: WorldConfig) -> None:
    if len(config.species) < 2 or len(config.settings) < 3:
        raise ValueError("a benchmark story needs a world of at least two species and three settings")
