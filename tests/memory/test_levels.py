"""Levels within a budget: a table of cases, and properties of all."""

from __future__ import annotations

import itertools

import pytest

from onestory_cli.memory.levels import COARSE, FINE, LEVELS, MEDIUM, Level, allocate

LETTERS = {"f": FINE, "m": MEDIUM, "c": COARSE}


@pytest.mark.parametrize(
    ("frames", "budget", "size", "expected"),
    [
        (8, 4.0, (8, 8), "fffmmmcc"),
        (6, 1.0, (8, 8), "mmmccc"),
        (4, 1.0, (8, 8), "mmmm"),
        (1, 1.0, (8, 8), "f"),
        (2, 1.0, (8, 8), "mm"),
        (3, 3.0, (8, 8), "fff"),
        (3, 0.25, (8, 8), "ccc"),
        (30, 1.0, (8, 8), "c" * 16),
        (3, 0.05, (8, 8), ""),
        (3, 0.0, (8, 8), ""),
        (0, 4.0, (8, 8), ""),
        (3, 1.0, (60, 104), "mmm"),
        (2, 1.0, (10, 6), "mm"),
        (1, 1.0, (2, 2), "f"),
    ],
)
def test_table(frames: int, budget: float, size: tuple[int, int], expected: str) -> None:
    height, width = size
    assert allocate(frames, budget, height=height, width=width) == [LETTERS[letter] for letter in expected]


@pytest.mark.parametrize("size", [(8, 8), (4, 4), (16, 8), (10, 6), (7, 13), (60, 104), (1, 1)])
def test_levels_fit_the_budget_and_are_as_fine_as_possible(size: tuple[int, int]) -> None:
    height, width = size
    prices = [level.tokens(height, width) for level in LEVELS]
    for frames, budget in itertools.product(range(11), (0.1, 0.3, 0.5, 1.0, 1.7, 2.0, 4.0)):
        table = allocate(frames, budget, height=height, width=width)
        spent = sum(level.tokens(height, width) for level in table)
        assert spent <= budget * prices[0] + 1e-9
        ranks = [LEVELS.index(level) for level in table]
        assert ranks == sorted(ranks)
        assert len(table) == min(frames, int(budget * prices[0] + 1e-9) // prices[-1])
        for rank in ranks:
            assert (
                rank == 0
                or prices[rank - 1] == prices[rank]
                or spent - prices[rank] + prices[rank - 1] > budget * prices[0]
            )


def test_other_levels() -> None:
    two = (Level(name="whole", patch=1), Level(name="tiny", patch=16))
    assert [level.name for level in allocate(3, 2.0, height=16, width=16, levels=two)] == ["whole", "tiny", "tiny"]


def test_an_edge_patch_counts_as_one_token() -> None:
    assert [level.tokens(9, 5) for level in LEVELS] == [15, 6, 2]
