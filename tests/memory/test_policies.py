"""Golden lists of what each policy takes."""

from __future__ import annotations

import pytest

from onestory_cli.memory.policies import POLICIES, FrameRef
from onestory_cli.models import catalog

REFS = [FrameRef(source, index) for source in ("opening", "city") for index in range(3)]
SCORES = [0.1, 0.9, 0.3, 0.9, -0.5, 0.2]


@pytest.mark.parametrize(
    ("policy", "frames", "expected"),
    [
        ("adaptive", 3, [1, 3, 2]),
        ("adaptive", 99, [1, 3, 2, 5, 0, 4]),
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


@pytest.mark.parametrize("policy", POLICIES)
def test_an_empty_memory_gives_nothing(policy: str) -> None:
    assert POLICIES[policy]([], [], 3) == []


@pytest.mark.parametrize("policy", POLICIES)
def test_no_frames_wanted_gives_none(policy: str) -> None:
    assert POLICIES[policy](SCORES, REFS, 0) == []


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("frames", [1, 2, 3, 5, 8])
def test_positions_are_distinct_and_in_range(policy: str, frames: int) -> None:
    chosen = POLICIES[policy](SCORES, REFS, frames)
    assert len(set(chosen)) == len(chosen) <= frames
    assert set(chosen) <= set(range(len(REFS)))


def test_the_catalogue_names_these_policies() -> None:
    assert tuple(POLICIES) == catalog.POLICIES
