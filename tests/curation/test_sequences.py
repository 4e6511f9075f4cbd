"""Sequences are bounded runs of one scene; shots from elsewhere are found."""

from __future__ import annotations

import math

import pytest

from onestory_cli.curation.cast import CastIds
from onestory_cli.curation.filters import CuratedShot
from onestory_cli.curation.recipe import SequenceSettings
from onestory_cli.curation.sequences import foreign_shots, sequences_of
from tests.curation.test_filters import shot

HALF = math.pi / 2


def film(*angles: float) -> list[CuratedShot]:
    return [shot(number, angle=angle) for number, angle in enumerate(angles)]


def ids(runs: list[tuple[CuratedShot, ...]]) -> list[str]:
    return ["".join(item.id for item in run) for run in runs]


@pytest.mark.parametrize(("count", "expected"), [(1, []), (3, ["012"]), (7, ["01", "23", "456"])])
def test_a_long_scene_is_split_evenly(count: int, expected: list[str]) -> None:
    shots = [shot(number) for number in range(count)]
    assert ids(sequences_of(shots, SequenceSettings(min_shots=2, max_shots=3))) == expected


def test_a_sequence_ends_with_its_scene() -> None:
    assert ids(sequences_of(film(0, 0, HALF, HALF, HALF), SequenceSettings(), 0.5)) == ["01", "234"]


def test_scenes_that_alternate_are_one_sequence() -> None:
    assert ids(sequences_of(film(0, HALF, 0, HALF), SequenceSettings(), 0.5)) == ["0123"]


@pytest.mark.parametrize(
    ("angles", "expected"),
    [
        ((0, 0, HALF, 0), {"2": "foreign insert: 0.00, below 0.5"}),
        ((0, HALF, HALF, 0), dict.fromkeys(("1", "2"), "foreign insert: 0.00, below 0.5")),
        ((0, HALF, HALF, HALF, 0), {}),
        ((0, 0, HALF), {"2": "unrelated to its neighbours: 0.00, below 0.5"}),
        ((0,), {}),
    ],
)
def test_shots_from_elsewhere_are_found(angles: tuple[float, ...], expected: dict[str, str]) -> None:
    assert dict(foreign_shots(film(*angles), 0.5, 7)) == expected


def test_a_character_in_common_relates_shots() -> None:
    shots = film(0, HALF, 0)
    known = [CuratedShot(**{**vars(item), "ids": CastIds(characters=("c1",))}) for item in shots]
    assert dict(foreign_shots(known, 0.5, 7)) == {}


def test_nothing_is_known_without_embeddings() -> None:
    assert [*foreign_shots([shot(0), shot(1)], 0.5, 7)] == []
