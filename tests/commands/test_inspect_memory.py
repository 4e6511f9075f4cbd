from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.commands.compiling import compile_story
from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory, change
from tests.films import render_with


def test_the_table_says_what_each_shot_took(onestory: Onestory, film_run: Path) -> None:
    result = onestory("inspect-memory", film_run)
    header, opening, city, *rest = result.out.splitlines()
    assert header.split("  ")[0] == "shot"
    assert opening.split() == ["opening", "nothing", "0", "none", "new"]
    assert city.split()[:2] == ["city", "opening"]
    assert "medium, medium" in city
    assert "2 of 4   adaptive   new" in city
    assert rest[0].startswith("return")


def test_json_holds_the_whole_memory_state(onestory: Onestory, film_run: Path) -> None:
    document = onestory("inspect-memory", film_run, "--shot", "return", "--json").json
    assert document["schema"] == "onestory.inspect-memory.v1"
    (shot,) = document["shots"]
    assert (shot["shot"], shot["policy"], shot["budget"], shot["budget_tokens"]) == ("return", "adaptive", 1.0, 4)
    assert list(shot["visible"]) == ["opening", "city"]
    assert [len(scores) for scores in shot["scores"].values()] == [2, 2]
    assert len(shot["selected"]) == 2
    assert shot["context_tokens"] == sum(frame["tokens"] for frame in shot["selected"])


def test_what_had_to_be_covered_stands_by_the_policy(onestory: Onestory, story: Path) -> None:
    change(story, "shots:\n", "defaults: {memory: {policy: coverage}}\nshots:\n")
    render_with(compile_story(story)[0], Path("film.run"))
    assert "coverage (fox, beach)" in onestory("inspect-memory").out
    shots = onestory("inspect-memory", "--json").json["shots"]
    assert [shot["shown"] for shot in shots] == [{}, {}, {"fox": ["opening"], "beach": ["opening"]}]


def test_shots_stand_in_film_order(onestory: Onestory, story: Path, film_run: Path) -> None:
    change(story, "shots:\n", "shots:\n  - id: first\n    caption: A beach.\n")
    render_with(compile_story(story)[0], film_run)
    order = [row["shot"] for row in onestory("inspect-memory", film_run, "--json").json["shots"]]
    assert order == ["first", "opening", "city", "return"]


@pytest.mark.parametrize("folder", [".", "film.run"])
def test_a_bare_call_finds_the_only_run(
    onestory: Onestory, film_run: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert onestory("inspect-memory").exit is ExitCode.DONE


def test_a_bare_call_among_many_asks_which(onestory: Onestory, film_run: Path) -> None:
    film_run.rename("one.run")
    Path("two.run").mkdir()
    Path("two.run/run.json").write_text("{}")
    result = onestory("inspect-memory")
    assert result.exit is ExitCode.USAGE
    assert "name one of one.run, two.run" in result.err


def test_an_unknown_shot(onestory: Onestory, film_run: Path) -> None:
    result = onestory("inspect-memory", film_run, "--shot", "retrun")
    assert result.exit is ExitCode.USAGE
    assert 'did you mean "return"?' in result.err


def test_a_damaged_take_is_left_out(onestory: Onestory, film_run: Path) -> None:
    next(film_run.glob("shots/city/*/record.json")).write_text("{}")
    document = onestory("inspect-memory", film_run, "--json").json
    assert [shot["shot"] for shot in document["shots"]] == ["opening", "return"]
