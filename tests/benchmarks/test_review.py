"""The table of the response times; the measurements themselves need Chromium and minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.planning.compile import compile_story
from tests.benchmarks.review import __main__ as benchmark
from tests.benchmarks.review.figure import Figure, row, seconds
from tests.benchmarks.review.films import story_text


def test_a_missed_goal_is_marked() -> None:
    assert row(seconds("open", [0.3, 0.1, 0.2], 0.25)) == "| open | 0.200 s | 0.25 s | 0.10 to 0.30 in 3 runs |\n"
    assert "4000 kB, missed" in row(Figure(name="page", value=4001, unit="kB", goal=4000))


def test_the_long_story_has_no_findings(tmp_path: Path) -> None:
    file = tmp_path / "long.story.yaml"
    file.write_text(story_text("A Long Film", 300))
    plan, findings = compile_story(file)
    assert len(plan.jobs) == 300
    assert findings == ()


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        benchmark.main(["nothing"])
    assert "unknown: nothing" in capsys.readouterr().err
