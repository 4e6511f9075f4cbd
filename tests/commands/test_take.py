from __future__ import annotations

import signal
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode
from onestory_cli.rendering import loading
from onestory_cli.rendering.generator import ShotRequest
from onestory_cli.store.run import Run
from onestory_cli.store.writer import lock_run
from tests.commands.conftest import Onestory, change
from tests.films import NumberShot, NumpyGenerator


@pytest.fixture(autouse=True)
def arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "model_loader", lambda spec, device, emit, shared: lambda: NumpyGenerator(spec))


def test_new_list_accept_show(onestory: Onestory, film_run: Path) -> None:
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


@pytest.mark.parametrize("command", [("take", "accept", "film.run", "city", "0"), ("prune", "film.run")])
def test_the_story_is_read_once_nobody_else_can_change_it(
    onestory: Onestory, film_run: Path, command: tuple[str, ...]
) -> None:
    with lock_run(Run.open(film_run)):
        (film_run.parent / "model" / "onestory.json").unlink()  # whoever reads the story first is told of this
        ended = onestory(*command)
    assert (ended.exit, "R401" in ended.err) == (ExitCode.MACHINE, True)


def test_a_take_that_was_stopped_goes_on_by_the_same_command(
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
    assert "the same command goes on" in stopped.err
    assert len(list(film_run.glob("shots/city/*/partial.safetensors"))) == 1
    assert onestory("take", "new", film_run, "city").exit is ExitCode.DONE
    assert [row["take"] for row in onestory("take", "list", film_run, "city", "--json").json["takes"]] == [0, 1]
    assert not list(film_run.glob("shots/city/*/partial.safetensors"))


def test_next_steps_can_be_pasted_where_the_path_has_spaces(onestory: Onestory, film_run: Path) -> None:
    run = film_run.rename("my film.run")
    assert onestory("take", "new", run, "city").err.endswith("next: onestory take accept 'my film.run' city 1\n")
    assert onestory("take", "accept", run, "city", "1").err == "next: onestory resume 'my film.run'\n"
    assert "`onestory take list 'my film.run' city`" in onestory("take", "show", run, "city", "9").err


def test_what_is_not_there(onestory: Onestory, film_run: Path) -> None:
    too_large = ("new", film_run, "city", "--seed", str(2**63))
    for arguments in (("accept", film_run, "city", "9"), ("show", film_run, "ctiy"), ("list", "gone.run"), too_large):
        assert onestory("take", *arguments).exit is ExitCode.USAGE


def test_a_story_that_asks_ends_with_4_and_the_way_on(onestory: Onestory, story: Path) -> None:
    change(story, "model: model", "model: model\ndefaults: {accept: ask}")
    result = onestory("render", story, "--takes", "2", "--shot", "opening")
    assert result.exit is ExitCode.PARTIAL
    assert "onestory take accept film.run opening 0 && onestory resume film.run" in result.err
    onestory("take", "accept", "film.run", "opening", "1")
    assert '"city" waits' in onestory("resume", "film.run").err
