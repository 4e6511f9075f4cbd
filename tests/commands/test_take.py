from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onestory_cli.errors import ExitCode
from onestory_cli.media.video import write_clip
from onestory_cli.rendering import loading
from onestory_cli.rendering.generator import ShotRequest
from onestory_cli.store.run import Run
from onestory_cli.store.writer import lock_run
from tests.commands.conftest import Onestory, change
from tests.films import NumberShot, NumpyGenerator


@pytest.fixture(autouse=True)
def arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "model_loader", lambda spec, device, emit, shared: lambda: NumpyGenerator(spec))


def test_new_list_accept_and_show(onestory: Onestory, film_run: Path) -> None:
    made = onestory("take", "new", film_run, "city", "-n", "2", "--seed", "5")
    assert made.exit is ExitCode.DONE
    assert len(made.out.splitlines()) == 2
    rows = onestory("take", "list", film_run, "city", "--json").json["takes"]
    assert [(row["take"], row["accepted"], row["fits"]) for row in rows] == [
        (0, True, True),
        (1, False, True),
        (2, False, True),
    ]
    assert [row["seed"] for row in rows][1:] == [5, 6]
    accepted = onestory("take", "accept", film_run, "city", "2")
    assert (accepted.exit, accepted.err) == (ExitCode.DONE, "next: onestory resume film.run\n")
    assert onestory("take", "show", film_run, "city").out == made.out.splitlines()[1] + "\n"
    assert onestory("take", "show", film_run, "city", rows[0]["id"][:8]).out == rows[0]["clip"] + "\n"
    assert onestory("resume", film_run).exit is ExitCode.DONE
    assert onestory("take", "list", film_run).out.count("accepted") == 3


def test_import(onestory: Onestory, film_run: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (10, 64, 64, 3), np.uint8)
    write_clip(Path("camera.mp4"), pixels, fps=16)
    imported = onestory("take", "import", film_run, "city", "camera.mp4")
    assert imported.exit is ExitCode.DONE
    assert "city: take 1, from camera.mp4 (16 to 8 fps, 64x64 to 32x32)" in imported.err
    assert imported.err.endswith("next: onestory take accept film.run city 1\n")
    assert onestory("take", "import", film_run, "city", "camera.mp4", "--accept", "--json").json["accepted"]
    rows = onestory("take", "list", film_run, "city", "--json").json["takes"]
    assert [(row["imported"], row["accepted"]) for row in rows] == [
        (None, False),
        ("camera.mp4", False),
        ("camera.mp4", True),
    ]
    assert "imported from camera.mp4" in onestory("plan", "film.story.yaml").out


@pytest.mark.parametrize("command", [("take", "accept", "film.run", "city", "0"), ("prune", "film.run")])
def test_lock_is_checked_before_the_story_is_read(onestory: Onestory, film_run: Path, command: tuple[str, ...]) -> None:
    with lock_run(Run.open(film_run)):
        (film_run.parent / "model" / "onestory.json").unlink()  # reading the story would fail
        ended = onestory(*command)
    assert (ended.exit, "R401" in ended.err) == (ExitCode.MACHINE, True)


def test_stopped_take_is_resumed_by_the_same_command(
    onestory: Onestory, film_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(NumpyGenerator):
        def generate(self, request: ShotRequest) -> NumberShot:
            signal.raise_signal(signal.SIGTERM)
            return super().generate(request)

    with monkeypatch.context() as patch:
        patch.setattr(loading, "model_loader", lambda spec, device, emit, shared: lambda: Stopped(spec))
        stopped = onestory("take", "new", film_run, "city")
    assert stopped.exit is ExitCode.TERMINATED
    assert "the same command continues" in stopped.err
    assert len(list(film_run.glob("shots/city/*/partial.safetensors"))) == 1
    assert onestory("take", "new", film_run, "city").exit is ExitCode.DONE
    assert [row["take"] for row in onestory("take", "list", film_run, "city", "--json").json["takes"]] == [0, 1]
    assert not list(film_run.glob("shots/city/*/partial.safetensors"))


def test_suggested_commands_quote_paths_with_spaces(onestory: Onestory, film_run: Path) -> None:
    run = film_run.rename("my film.run")
    assert onestory("take", "new", run, "city").err.endswith("next: onestory take accept 'my film.run' city 1\n")
    assert onestory("take", "accept", run, "city", "1").err == "next: onestory resume 'my film.run'\n"
    assert "`onestory take list 'my film.run' city`" in onestory("take", "show", run, "city", "9").err


def test_unknown_shots_and_takes_are_rejected(onestory: Onestory, film_run: Path) -> None:
    too_large = ("new", film_run, "city", "--seed", str(2**63))
    for arguments in (("accept", film_run, "city", "9"), ("show", film_run, "ctiy"), ("list", "gone.run"), too_large):
        assert onestory("take", *arguments).exit is ExitCode.USAGE


def test_accept_ask_exits_with_4_and_the_next_step(onestory: Onestory, story: Path) -> None:
    change(story, "model: model", "model: model\ndefaults: {accept: ask}")
    result = onestory("render", story, "--takes", "2", "--shot", "opening")
    assert result.exit is ExitCode.PARTIAL
    assert "onestory take accept film.run opening 0 && onestory resume film.run" in result.err
    onestory("take", "accept", "film.run", "opening", "1")
    assert '"city" waits' in onestory("resume", "film.run").err


def test_list_shows_short_seeds_and_marks_takes_of_an_old_story(onestory: Onestory, film_run: Path) -> None:
    change(Path("film.story.yaml"), "A city at night.", "A city at dawn.")
    assert onestory("render", "film.story.yaml").exit is ExitCode.DONE
    header, *rows = [line.split() for line in onestory("take", "list", film_run, "city").out.splitlines()]
    assert header == ["shot", "take", "id", "seed", "story", "state", "faults", "why"]
    states = sorted((row[0], "accepted" in row, "old" in row) for row in rows)
    assert states == [("city", False, True), ("city", True, False)]
    current, old = sorted(rows, key=lambda row: "old" in row)
    assert current[1] == "0"
    assert len(old[1]) == 6  # the id: takes of an old story have no number
    assert all(len(word) <= 7 for row in rows for word in row if word[:6].isdigit())


def test_sheet_has_a_row_per_take(onestory: Onestory, film_run: Path) -> None:
    one = onestory("take", "sheet", film_run, "city", "--out", "one.png", "--json").json
    onestory("take", "new", film_run, "city", "-n", "2")
    assert onestory("take", "sheet", film_run, "city").out == "film.run/takes.png\n"
    assert (one["schema"], one["takes"]) == ("onestory.take-sheet.v1", 1)
    with Image.open("one.png") as first, Image.open("film.run/takes.png") as all_takes:
        assert all_takes.height > 2.5 * first.height
        assert all_takes.width == first.width
    assert onestory("verify", film_run).exit is ExitCode.DONE


def test_accept_with_keep_going_renders_the_rest(onestory: Onestory, film_run: Path) -> None:
    onestory("take", "new", film_run, "opening", "-n", "1")
    result = onestory("take", "accept", film_run, "opening", "1", "--keep-going")
    assert (result.exit, result.out) == (ExitCode.DONE, "film.run/film.mp4\n")
    assert "return: rendered" in result.err
    assert "3 kept" in onestory("plan", "film.story.yaml").out


@pytest.mark.parametrize(
    "command",
    [
        ("take", "list"),
        ("verify",),
        ("prune", "--dry-run"),
        ("resume",),
        ("inspect-memory",),
        ("report",),
        ("contact-sheet",),
        ("export", "--to", "edl", "--force"),
    ],
    ids=lambda command: " ".join(command),
)
def test_story_refers_to_its_run_directory(onestory: Onestory, film_run: Path, command: tuple[str, ...]) -> None:
    by_run, by_story = (onestory(*command, path) for path in (film_run, "film.story.yaml"))
    assert by_story.exit is ExitCode.DONE
    assert by_story.out == by_run.out
