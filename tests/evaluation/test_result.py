"""The table of a benchmark: every line states the number of questions."""

from __future__ import annotations

from onestory_cli.evaluation.consistency import MEASURES
from onestory_cli.evaluation.result import grid, markdown
from onestory_cli.evaluation.statistics import Estimate


def estimate(n: int) -> Estimate:
    return Estimate(percent=50.0, low=40.0, high=60.0, n=n)


def test_number_of_questions_is_a_range_if_columns_differ() -> None:
    counts = {"adaptive": 240, "recent": 212, "ceiling": 260}
    left_out, same = f"stories, {MEASURES[0]}", "later: colour"
    shares = {name: {left_out: estimate(n), same: estimate(300)} for name, n in counts.items()}
    table = grid((left_out, same), shares, {})
    assert [row[:2] for row in table] == [("%", "n"), (left_out, "212 to 260"), (same, "300")]
    assert f"| {left_out} | 212 to 260 | 50.0 (40.0 to 60.0) |" in markdown(table)
