from __future__ import annotations

import shutil
from pathlib import Path

from onestory_cli.errors import ExitCode
from onestory_cli.report.data import FilmReport
from onestory_cli.report.run_diff import compare_runs
from tests.commands.conftest import Onestory, change
from tests.report.conftest import film_of, render_story


def test_a_copy_of_a_run_has_no_differences(film: FilmReport) -> None:
    shutil.copytree("film.run", "copy.run")
    assert [item.state for item in compare_runs(film, film_of(Path("copy.run")))] == ["same"] * 3


def test_every_difference_of_a_shot_is_named(film: FilmReport, story: Path) -> None:
    change(story, "    caption: A city at night.", "    caption: A city at noon.\n    seed: 9\n    steps: 5")
    change(story, "  - id: return", "  - id: extra\n    caption: A city.\n  - id: return")
    other = render_story(story, Path("other.run"))
    opening, city, back, extra = compare_runs(film, other)
    assert opening.state == "same"
    assert (city.state, city.pictures) == ("changed", False)
    assert [(item.what, item.left, item.right) for item in city.differences if item.what != "seed"] == [
        ("caption", "A city at night.", "A city at noon."),
        ("steps", "3", "5"),
    ]
    assert "position" in [item.what for item in back.differences]
    assert (extra.shot, extra.state) == ("extra", "only right")


def test_diff_prints_the_differences(film_run: Path, story: Path, onestory: Onestory) -> None:
    change(story, "A city at night.", "A city at noon.")
    render_story(story, Path("other.run"))
    result = onestory("diff", "film.run", "other.run", "--exit-code")
    assert result.exit is ExitCode.FINDINGS
    assert result.out.startswith("city: changed\n  caption: A city at night. -> A city at noon.\n")
    assert "differ\n" in result.out
    document = onestory("diff", "film.run", "other.run", "--json").json
    assert [item["shot"] for item in document["shots"]] == ["opening", "city", "return"]
    same = onestory("diff", "film.run", "film.story.yaml", "--exit-code")
    assert (same.exit, same.out) == (ExitCode.DONE, "no differences\n")
