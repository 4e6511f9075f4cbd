from __future__ import annotations

import io
from pathlib import Path

import jsonschema
import pytest

from onestory_cli import cli, schemas
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode
from onestory_cli.planning.compile import compile_story
from tests.commands.conftest import Onestory, change
from tests.films import render_with
from tests.programs import imports_of
from tests.test_console import Terminal

HEAVY = {"torch", "diffusers", "transformers", "av", "numpy", "jinja2", "PIL"}


def test_table_shows_the_memory_of_each_shot(onestory: Onestory, film_run: Path) -> None:
    lines = onestory("inspect-memory", film_run).out.splitlines()
    assert lines[0] == "The Lost Kite: 3 shots, model model"
    assert lines[3].startswith("1   opening")
    assert "sees no other shot" in lines[3]
    assert "2 of 4 tokens, adaptive" in lines[4]
    assert lines[5].split()[:2] == ["opening", "1"]


def test_command_does_not_import_torch(film_run: Path) -> None:
    lines = [f"inspect-memory {film_run}{flags}" for flags in ("", " --shot return", " --json")]
    assert imports_of(HEAVY, *lines) == {line: [0] for line in lines}


def test_json_matches_its_schema(onestory: Onestory, film_run: Path) -> None:
    document = onestory("inspect-memory", film_run, "--json").json
    jsonschema.validate(document, schemas.load("inspect-memory.v1"))
    assert document["schema"] == "onestory.inspect-memory.v1"
    shot = document["shots"][2]
    assert (shot["shot"], shot["policy"], shot["budget"], shot["budget_tokens"]) == ("return", "adaptive", 1.0, 4)
    assert [source["source"] for source in shot["sources"]] == ["opening", "city"]
    assert [len(source["scores"]) for source in shot["sources"]] == [2, 2]
    assert [row["taken"] for row in shot["ranked"]] == [True, True, False, False]
    assert shot["context_tokens"] == sum(row["tokens"] for row in shot["ranked"])


def test_json_contains_the_prediction(onestory: Onestory, film_run: Path) -> None:
    result = onestory("inspect-memory", film_run, "--shot", "return", "--policy", "last", "--json")
    jsonschema.validate(result.json, schemas.load("inspect-memory.v1"))
    assert result.json["what_if"] == {"policy": "last", "frames": None, "budget": None}
    (shot,) = result.json["shots"]
    taken = [(row["source"], row["index"], row["level"]) for row in shot["what_if"]["ranked"] if row["taken"]]
    assert taken == [("city", 1, "fine")]
    assert sum(row["taken"] for row in shot["ranked"]) == 2


def test_shot_lists_every_frame(onestory: Onestory, film_run: Path) -> None:
    lines = onestory("inspect-memory", film_run, "--shot", "return").out.splitlines()
    assert lines[1] == "The same fox ($fox) waves on the same beach ($beach)."
    assert [line.split()[0] for line in lines[5:]] == ["rank", "1", "2", "3", "4"]


def test_prediction_lists_changes(onestory: Onestory, film_run: Path) -> None:
    result = onestory("inspect-memory", film_run, "--shot", "return", "--policy", "none")
    assert "With these settings return drops " in result.out
    assert result.out.endswith("; 2 -> 0 tokens.\n")
    assert result.err == "selected with --policy none from the recorded scores; nothing was rendered\n"
    assert "0 of 4 tokens, none" in onestory("inspect-memory", film_run, "--policy", "none").out


@pytest.mark.parametrize(
    "arguments", ["--policy resent", "--frames -1", "--frames 1001", "--budget -0.5", "--budget nan", "--budget inf"]
)
def test_invalid_settings_are_rejected(onestory: Onestory, film_run: Path, arguments: str) -> None:
    assert onestory("inspect-memory", film_run, *arguments.split()).exit is ExitCode.USAGE


def test_terminal_with_colours_shows_thumbnails(film_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    shown = {}
    for color in (True, False):
        out = Terminal()
        console = Console(stdout=out, stderr=io.StringIO(), color=color)
        assert cli.run(["inspect-memory", str(film_run), "--shot", "return"], console) is ExitCode.DONE
        shown[color] = out.getvalue()
    assert "▀" in shown[True]
    assert "▀" not in shown[False]
    assert "\x1b[38" not in shown[False]


def test_html_writes_the_page(onestory: Onestory, film_run: Path) -> None:
    result = onestory("inspect-memory", film_run, "--html", "page.html")
    assert (result.exit, result.out) == (ExitCode.DONE, "page.html\n")
    assert Path("page.html").read_text().startswith("<!doctype html>")


def test_covered_ids_are_shown_next_to_the_policy(onestory: Onestory, story: Path) -> None:
    change(story, "shots:\n", "defaults: {memory: {policy: coverage}}\nshots:\n")
    render_with(compile_story(story)[0], Path("film.run"))
    assert "coverage (fox, beach)" in onestory("inspect-memory", "--shot", "return").out
    shots = onestory("inspect-memory", "--json").json["shots"]
    assert [shot["shown"] for shot in shots] == [{}, {}, {"fox": ["opening"], "beach": ["opening"]}]


def test_shots_are_in_film_order(onestory: Onestory, story: Path, film_run: Path) -> None:
    change(story, "shots:\n", "shots:\n  - id: first\n    caption: A beach.\n")
    render_with(compile_story(story)[0], film_run)
    order = [row["shot"] for row in onestory("inspect-memory", film_run, "--json").json["shots"]]
    assert order == ["first", "opening", "city", "return"]


@pytest.mark.parametrize("folder", [".", "film.run"])
def test_without_arguments_the_only_run_is_found(
    onestory: Onestory, film_run: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert onestory("inspect-memory").exit is ExitCode.DONE


def test_without_arguments_and_several_runs_is_an_error(onestory: Onestory, film_run: Path) -> None:
    film_run.rename("one.run")
    Path("two.run").mkdir()
    Path("two.run/run.json").write_text("{}")
    result = onestory("inspect-memory")
    assert result.exit is ExitCode.USAGE
    assert "name one of one.run, two.run" in result.err


def test_unknown_shot_is_rejected(onestory: Onestory, film_run: Path) -> None:
    result = onestory("inspect-memory", film_run, "--shot", "retrun")
    assert result.exit is ExitCode.USAGE
    assert 'did you mean "return"?' in result.err


def test_damaged_take_is_left_out(onestory: Onestory, film_run: Path) -> None:
    next(film_run.glob("shots/city/*/record.json")).write_text("{}")
    document = onestory("inspect-memory", film_run, "--json").json
    assert [shot["shot"] for shot in document["shots"]] == ["opening", "return"]
