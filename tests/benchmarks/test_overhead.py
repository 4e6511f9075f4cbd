"""The cost of the store, with a tiny model of the real classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.overhead import Spent, Turn, main, report
from tests.tiny import tiny_folder

__all__ = ["tiny_folder"]

STORY = """\
story: 1
title: Two
model: {model}
shots:
  - {{id: opening, caption: A red fox walks on a beach.}}
  - {{id: city, caption: A city at night.}}
"""


@pytest.mark.slow
def test_film_is_rendered_with_and_without_the_store(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story = tmp_path / "film.story.yaml"
    story.write_text(STORY.format(model=tiny_folder))
    main([str(story), "--turns", "2", "--place", str(tmp_path)])
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == ["1", "2", "best"]
    for alone, whole in ((float(row[1]), float(row[2])) for row in rows):
        assert alone > 0
        assert whole > 0
    assert list(tmp_path.iterdir()) == [story]


def test_ratios_are_relative_to_generation() -> None:
    turns = [
        Turn(alone=Spent(wall=10.0, cpu=8.0), render=Spent(wall=12.0, cpu=10.0), generating=11.0),
        Turn(alone=Spent(wall=11.0, cpu=9.0), render=Spent(wall=11.0, cpu=9.0), generating=10.0),
    ]
    lines = report(turns).splitlines()
    assert lines[2] == "| 1 | 10.00 | 12.00 | +20.0% | +25.0% | +9.1% |"
    assert lines[4] == "| best | 10.00 | 11.00 | +10.0% | +12.5% | +10.0% |"
