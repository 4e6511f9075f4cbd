"""Golden selections of each policy, and properties of all."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis.strategies import integers

from onestory_cli.memory.policies import POLICIES, FrameRef, adaptive, coverage

REFS = [FrameRef(source, index) for source in ("opening", "city") for index in range(3)]
SCORES = [0.1, 0.9, 0.3, 0.9, -0.5, 0.2]


@pytest.mark.parametrize(
    ("policy", "frames", "expected"),
    [
        ("adaptive", 3, [1, 3, 2]),
        ("adaptive", 99, [1, 3, 2, 5, 0, 4]),
        ("coverage", 3, [1, 3, 2]),
        ("coverage", 99, [1, 3, 2, 5, 0, 4]),
        ("recent", 3, [5, 4, 3]),
        ("recent", 99, [5, 4, 3, 2, 1, 0]),
        ("uniform", 1, [5]),
        ("uniform", 2, [5, 2]),
        ("uniform", 3, [5, 3, 1]),
        ("uniform", 4, [5, 4, 2, 1]),
        ("uniform", 99, [5, 4, 3, 2, 1, 0]),
        ("last", 3, [5]),
        ("none", 3, []),
    ],
)
def test_golden(policy: str, frames: int, expected: list[int]) -> None:
    assert POLICIES[policy](SCORES, REFS, frames) == expected


@pytest.mark.parametrize(
    ("frames", "shown", "expected"),
    [
        (2, [("opening",)], [1, 3]),  # already the most relevant
        (2, [("opening",), ("city",)], [1, 3]),
        (3, [("city",)], [3, 1, 2]),
        (2, [("@fox",)], [6, 1]),  # its only frame comes first although it is the least relevant
        (3, [("@fox",), ("city",)], [3, 6, 1]),  # named ones by relevance, then the others by relevance
        (3, [("opening",), ("@fox", "city")], [1, 3, 2]),
        (1, [("@fox",), ("city",)], [3]),  # too few frames: the most relevant first
        (2, [("@fox",), ("city",), ("opening",)], [1, 3]),
        (2, [("nowhere",), ()], [1, 3]),
        (0, [("@fox",)], []),
    ],
)
def test_coverage_puts_one_frame_per_name_first(frames: int, shown: list[tuple[str, ...]], expected: list[int]) -> None:
    assert coverage([*SCORES, -0.9], [*REFS, FrameRef("@fox", 0)], frames, shown) == expected


@settings(max_examples=200, derandomize=True, deadline=None)
@given(seed=integers(0, 2**32))
def test_coverage_deviates_from_relevance_only_for_names(seed: int) -> None:
    draw = random.Random(seed)
    refs = [FrameRef(f"s{shot}", index) for shot in range(draw.randint(1, 6)) for index in range(draw.randint(1, 4))]
    scores = [draw.choice((draw.random(), 0.5)) for _ in refs]
    sources = sorted({ref.source for ref in refs})
    shown = [draw.sample(sources, draw.randint(1, len(sources))) for _ in range(draw.randint(0, 4))]
    frames = draw.randint(0, len(refs) + 1)
    chosen, ranked = coverage(scores, refs, frames, shown), adaptive(scores, refs, len(refs))

    assert len(set(chosen)) == len(chosen) == min(frames, len(refs))
    assert coverage(scores, refs, frames, draw.sample(shown, len(shown))) == chosen
    best = [place for place in ranked if any(place == _best_of(group, ranked, refs) for group in shown)]
    # only the best frame of each name moves forward
    assert chosen == [*best, *(place for place in ranked if place not in best)][:frames]
    if frames >= len(best):
        assert all(any(refs[place].source in group for place in chosen) for group in shown)
    if best == ranked[: len(best)]:
        assert chosen == ranked[:frames]


def _best_of(group: list[str], ranked: list[int], refs: list[FrameRef]) -> int:
    return next(place for place in ranked if refs[place].source in group)


@pytest.mark.parametrize("policy", POLICIES)
def test_an_empty_memory_selects_nothing(policy: str) -> None:
    assert POLICIES[policy]([], [], 3) == []


@pytest.mark.parametrize("policy", POLICIES)
def test_zero_frames_selects_nothing(policy: str) -> None:
    assert POLICIES[policy](SCORES, REFS, 0) == []


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("frames", [1, 2, 3, 5, 8])
def test_positions_are_distinct_and_in_range(policy: str, frames: int) -> None:
    chosen = POLICIES[policy](SCORES, REFS, frames)
    assert len(set(chosen)) == len(chosen) <= frames
    assert set(chosen) <= set(range(len(REFS)))
