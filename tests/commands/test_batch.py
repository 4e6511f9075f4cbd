"""`onestory batch`: errors, kept films, output and files."""

from __future__ import annotations

import io
import json
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from onestory_cli import cli, schemas
from onestory_cli.batch.films import list_films
from onestory_cli.batch.result import BatchResult, Outcome, rows_of
from onestory_cli.commands._batch_options import FilmFlags, fitted
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode
from onestory_cli.planning.compile import compile_story
from onestory_cli.store.run import Run
from onestory_cli.store.writer import lock_run
from onestory_cli.story.overrides import Override
from tests.batch.in_process import InProcessPool
from tests.commands.conftest import Onestory, change
from tests.films import render_with
from tests.shared import build_once
from tests.test_console import Terminal


@pytest.fixture(autouse=True)
def in_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Render films in this process, except in tests marked with `usefixtures("worker_processes")`."""
    if "worker_processes" not in request.fixturenames:
        monkeypatch.setattr("onestory_cli.batch.local_workers.LocalPool", InProcessPool)


@pytest.fixture
def worker_processes() -> None:
    """The test starts worker processes."""


@pytest.fixture
def made(story: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A second story, with both films already rendered."""
    Path("kite.story.yaml").write_text(story.read_text().replace("The Lost Kite", "Kite"))
    for film in list_films([story, Path("kite.story.yaml")], Path("out")):
        plan, _ = compile_story(film.story)
        rendered = build_once(tmp_path_factory, f"batch-{film.story.stem}", partial(render_with, plan))
        shutil.copytree(rendered, film.run)
    monkeypatch.setattr("onestory_cli.batch.plan_films.require_ready", lambda spec: None)
    return story


@pytest.mark.usefixtures("worker_processes")
def test_finished_films_are_kept_without_weights(onestory: Onestory, made: Path) -> None:
    result = onestory("batch", ".", "--out", "out", "--workers", "2")
    assert result.exit is ExitCode.DONE, result.err
    lines = result.out.splitlines()
    assert lines[0].split() == ["film", "state", "rendered", "kept", "path"]
    assert [line.split()[1:4] for line in lines[1:]] == 2 * [["done", "0", "3"]]
    assert all(Path(line.split()[-1]).is_file() for line in lines[1:])
    assert result.err.splitlines()[0] == "2 films, 6 shots, 2 workers, local"
    assert "2 done in" in result.err


def test_the_report_has_the_films_of_this_batch_and_of_earlier_ones(onestory: Onestory, made: Path) -> None:
    result = onestory("batch", "kite.story.yaml", "--out", "out", "--report")
    assert result.err.endswith("report: out/report.html\n")
    page = Path("out/report.html").read_text()
    assert page.count("<video") == 2
    assert onestory("batch", "kite.story.yaml", "--out", "out", "--report").exit is ExitCode.DONE
    Path("out/report.html").write_text("mine")
    assert onestory("batch", "kite.story.yaml", "--out", "out", "--report").err.rstrip().endswith("never replaced")


@pytest.mark.slow
def test_the_table_fits_a_narrow_terminal_and_is_complete_in_a_pipe(
    onestory: Onestory, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    out = Path("out").rename("a-folder-with-a-name-that-no-narrow-terminal-can-hold")
    screen = Terminal()
    cli.run(["batch", ".", "--out", str(out)], Console(stdout=screen, stderr=io.StringIO(), color=False))
    lines = screen.getvalue().splitlines()
    assert len(lines) == 1 + 2
    assert all(len(line.rstrip()) <= 60 for line in lines)
    assert all("…" in line and line.rstrip().endswith("film.mp4") for line in lines[1:])
    assert "…" not in onestory("batch", ".", "--out", out).out


def test_names_are_shortened_only_if_paths_leave_no_room() -> None:
    rows = [("n" * 40, "done", "0", "3", "p" * 40)]
    assert fitted(rows, 120) == rows
    name, *_, path = fitted(rows, 90)[0]
    assert (name, len(path)) == ("n" * 40, 90 - 40 - len("state") - len("rendered") - len("kept") - 4 * 3)
    name, *_, path = fitted(rows, 60)[0]
    assert (len(name), len(path)) == (60 - 18 - len("state") - len("rendered") - len("kept") - 4 * 3, 18)


def test_time_limit_stops_resumably(onestory: Onestory, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_batch(planned: Any, out: Path, backend: Any, emit: Any, *, stop: Any, **_: Any) -> BatchResult:
        assert not stop()
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 61)
        assert stop()
        films = [item.film for item in planned]
        rows = rows_of(films, {films[0].name: Outcome(state="stopped")})
        return BatchResult(rows=rows, where="local", workers=1, seconds=61)

    monkeypatch.setattr("onestory_cli.batch.run_batch.run_batch", run_batch)
    result = onestory("batch", ".", "--out", "out", "--max-seconds", "60", "--json")
    assert result.exit is ExitCode.PARTIAL
    assert "stopped after 60 s (--max-seconds): finished shots are kept" in result.err
    assert result.json["next"] == ["onestory batch . --out out --max-seconds 60.0 --json"]


def test_json_and_batch_json_are_one_document(onestory: Onestory, made: Path) -> None:
    result = onestory("batch", "film.story.yaml", "kite.story.yaml", "--out", "out", "--json")
    *lines, last = [json.loads(line) for line in result.out.splitlines()]
    jsonschema.validate(last, schemas.load("batch.v1"))
    written = json.loads(Path("out/batch.json").read_bytes())
    jsonschema.validate(written, schemas.load("batch.v1"))
    assert written["films"] == last["films"]
    assert [film["state"] for film in last["films"]] == ["done", "done"]
    film_events = [line for line in lines if line["event"] == "FilmTold"]
    assert {line["kind"] for line in film_events} == {"RunStarted", "ShotKept", "RunFinished"}
    assert result.err == ""


def test_all_findings_of_all_stories_come_before_any_work(onestory: Onestory, made: Path) -> None:
    change(Path("kite.story.yaml"), "$fox waves", "$foks waves")
    Path("bad.story.yaml").write_text("story: 1\nshots: []\n")
    result = onestory("batch", ".", "gone.story.yaml", "--out", "new", "--seeds", "1,2")
    assert result.exit is ExitCode.FINDINGS
    assert result.out == ""
    assert [result.err.count(f"error[{code}]") for code in ("S104", "S101")] == [1, 1]
    assert "bad.story.yaml" in result.err
    assert not Path("new").exists()


def test_a_setting_that_does_not_apply_is_named(onestory: Onestory, made: Path) -> None:
    result = onestory("batch", "film.story.yaml", "--out", "new", "--set", "shots.*.stepz=40")
    assert result.exit is ExitCode.FINDINGS
    assert "(with --set shots.*.stepz=40)" in result.err
    assert 'did you mean "steps"?' in result.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("film.story.yaml --out new --profile draft", "error[U602]"),
        ("film.story.yaml --out new --seeds one", "--seeds"),
        ("film.story.yaml --out new --seeds 1,-1", "--seeds"),
        ("film.story.yaml --out new --seeds 9007199254740992", "--seeds"),
        ("film.story.yaml --out new --set steps", "error[B802]"),
        ("'*.yml' --out new", "error[B801]"),
        ("film.story.yaml", "--out"),
    ],
)
def test_wrong_command_lines(onestory: Onestory, made: Path, arguments: str, says: str) -> None:
    result = onestory("batch", *arguments.replace("'", "").split())
    assert result.exit is ExitCode.USAGE
    assert says in result.err
    assert not Path("new").exists()


def test_equal_seeds_are_one_film(story: Path) -> None:
    flags = FilmFlags(files=[str(story)], out=Path("new"), seeds="1, 01,2,1")
    assert [film.seed for film in flags.films()] == [1, 2]


@pytest.mark.slow
def test_a_failed_film_is_a_row_and_the_same_command_continues(onestory: Onestory, made: Path) -> None:
    (film,) = list_films([Path("kite.story.yaml")], Path("out"))
    with lock_run(Run.open(film.run)):
        result = onestory("batch", ".", "--out", "out")
    assert result.exit is ExitCode.PARTIAL
    assert "failed, 0 rendered, 0 kept in 0.0 s: error[R401]" in result.err
    assert result.err.endswith("continue with\n  onestory batch . --out out\n")
    assert [line.split()[1] for line in result.out.splitlines()[1:]] == ["done", "failed"]
    assert onestory("batch", ".", "--out", "out").exit is ExitCode.DONE


def test_settings_are_stored_in_the_run(onestory: Onestory, story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onestory_cli.batch.plan_films.require_ready", lambda spec: None)
    result = onestory("batch", story, "--out", "out", "--set", "shots.*.steps=9", "--seeds", "5")
    assert result.exit is ExitCode.PARTIAL  # there are no weights
    (film,) = list_films([story], Path("out"), seeds=(5,), settings=(Override.parse("shots.*.steps=9"),))
    state = Run.open(film.run).state()
    assert state is not None
    assert state.seed == 5
    assert (film.run / "story.yaml").read_text().count("steps: 9") == 3
    assert "error[M503]" in result.err


def suites(file: Path) -> dict[str, list[list[str]]]:
    """The tags of each test case, by film name without its digest."""
    root = ElementTree.parse(file).getroot()
    return {
        str(suite.get("name")).rpartition("-")[0] or str(suite.get("name")): [
            [item.tag for item in case] for case in suite
        ]
        for suite in root
    }


def test_junit_has_a_suite_for_each_film(onestory: Onestory, made: Path) -> None:
    (kite,) = list_films([Path("kite.story.yaml")], Path("out"))
    change(Path("kite.story.yaml"), "A city at night.", "A city at dawn.")
    with lock_run(Run.open(kite.run)):
        assert onestory("batch", ".", "--out", "out", "--junit", "junit.xml").exit is ExitCode.PARTIAL
    assert suites(Path("junit.xml")) == {
        "film": 3 * [["system-out"]],
        "kite": [["system-out"], ["error", "system-out"], ["skipped", "system-out"]],
    }
    (error,) = ElementTree.parse("junit.xml").iter("error")
    assert error.get("message", "").startswith("error[R401]")
    document = json.loads(Path("out/batch.json").read_text())
    times = {suite.get("name"): suite.get("time") for suite in ElementTree.parse("junit.xml").getroot()}
    assert times == {film["name"]: f"{film['seconds']:.3f}" for film in document["films"]}


def test_junit_has_a_suite_for_films_that_did_not_start(onestory: Onestory, made: Path) -> None:
    change(Path("kite.story.yaml"), "$fox waves", "$foks waves")
    assert onestory("batch", ".", "--out", "new", "--junit", "junit.xml").exit is ExitCode.FINDINGS
    assert suites(Path("junit.xml")) == {"film": 3 * [["skipped", "system-out"]], "kite": [["error"]]}
    assert onestory("batch", "*.yml", "--out", "new", "--junit", "junit.xml").exit is ExitCode.USAGE
    assert suites(Path("junit.xml")) == {"batch": [["error"]]}


def test_junit_repeats_an_error_of_the_batch_for_each_film(onestory: Onestory, story: Path) -> None:
    assert onestory("batch", story, "--out", "new", "--junit", "junit.xml").exit is ExitCode.MACHINE
    assert suites(Path("junit.xml")) == {"film": [["error", "system-out"], *2 * [["skipped", "system-out"]]]}


@pytest.mark.slow
def test_finished_films_are_signed(onestory: Onestory, made: Path, tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    pytest.importorskip("cryptography")
    from tests.media.test_sign import write_chain

    chain = write_chain(tmp_path)
    refused = onestory("batch", ".", "--out", "out", "--sign", "gone.pem", "gone.key")
    assert (refused.exit, "error[M517]" in refused.err) == (ExitCode.FINDINGS, True)
    result = onestory("batch", ".", "--out", "out", "--sign", *chain)
    assert result.err.endswith("signed 2 films: film.signed.mp4 next to each film\n")
    last = json.loads(onestory("batch", ".", "--out", "out", "--sign", *chain, "--json").out.splitlines()[-1])
    jsonschema.validate(last, schemas.load("batch.v1"))
    assert [onestory("inspect", film).exit for film in last["signed"]] == 2 * [ExitCode.DONE]


@pytest.mark.slow
def test_skip_invalid_fails_the_broken_story_and_renders_the_others(onestory: Onestory, made: Path) -> None:
    change(Path("kite.story.yaml"), "$fox waves", "$foks waves")
    result = onestory("batch", ".", "--out", "out", "--skip-invalid", "--junit", "junit.xml")
    assert result.exit is ExitCode.PARTIAL
    assert "error[S104]" in result.err
    assert sorted(line.split()[1] for line in result.out.splitlines()[1:]) == ["done", "failed"]
    written = json.loads(Path("out/batch.json").read_bytes())
    jsonschema.validate(written, schemas.load("batch.v1"))
    states = {film["story"]: (film["state"], (film["finding"] or {}).get("code")) for film in written["films"]}
    assert states == {"film.story.yaml": ("done", None), "kite.story.yaml": ("failed", "S104")}
    assert suites(Path("junit.xml")) == {"film": 3 * [["system-out"]], "kite": [["error"]]}
    last = json.loads(onestory("batch", ".", "--out", "out", "--skip-invalid", "--json").out.splitlines()[-1])
    assert last["next"] == ["onestory batch . --out out --skip-invalid --json"]


def test_skip_invalid_without_a_valid_story_is_refused(onestory: Onestory, made: Path) -> None:
    change(Path("kite.story.yaml"), "$fox waves", "$foks waves")
    result = onestory("batch", "kite.story.yaml", "--out", "new", "--skip-invalid")
    assert (result.exit, Path("new").exists()) == (ExitCode.FINDINGS, False)


def test_fail_on_stops_a_batch_before_work(onestory: Onestory, made: Path) -> None:
    for name in ("$fox walks", "$fox waves"):
        change(Path("kite.story.yaml"), name, "A bird")
    assert onestory("batch", ".", "--out", "new", "--fail-on", "W302").exit is ExitCode.FINDINGS
    assert not Path("new").exists()
