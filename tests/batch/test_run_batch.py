"""A batch from its films to batch.json: its status at any time, what ends it, and how it resumes."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from onestory_cli.batch.films import prepare
from onestory_cli.batch.render_story import WorkerConfig
from onestory_cli.batch.result import FILE
from onestory_cli.batch.run_batch import Backend, PlannedFilm, run_batch
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Event, FilmEnded, FilmStarted
from onestory_cli.store.run import Run
from onestory_cli.store.writer import lock_run
from tests.batch.conftest import PlanFilms
from tests.batch.in_process import InProcessPool

BACKEND = Backend(where="local", workers=1, open_pool=lambda: InProcessPool(WorkerConfig(device="cpu", threads=1)))


def states_in(out: Path) -> list[str]:
    document: dict[str, Any] = json.loads((out / FILE).read_bytes())
    return [film["state"] for film in document["films"]]


def held(plans: list[PlannedFilm], which: int, stack: ExitStack) -> None:
    """Hold the lock of a film like another process."""
    prepare(plans[which].film, plans[which].plan)
    stack.enter_context(lock_run(Run.open(plans[which].film.run)))


@pytest.mark.slow
def test_batch_json_is_always_current(plan_films: PlanFilms) -> None:
    plans, seen = plan_films(2), list[list[str]]()
    out = plans[0].film.run.parent

    def look(event: Event) -> None:
        if isinstance(event, FilmStarted | FilmEnded):
            seen.append(states_in(out))

    assert run_batch(plans, out, BACKEND, look).exit is ExitCode.DONE
    assert seen == [["left", "left"], ["done", "left"], ["done", "left"], ["done", "done"]]


def test_a_second_batch_in_the_same_folder_is_refused_and_names_the_first(plan_films: PlanFilms) -> None:
    plans = plan_films(1)
    out = plans[0].film.run.parent
    refused: list[OnestoryError] = []

    def again(event: Event) -> None:
        if isinstance(event, FilmStarted):
            with pytest.raises(OnestoryError) as caught:
                run_batch(plans, out, BACKEND)
            refused.append(caught.value)

    assert run_batch(plans, out, BACKEND, again).exit is ExitCode.DONE
    (fault,) = refused
    assert fault.code == "R401"
    assert fault.message.startswith(f"process {os.getpid()} of this machine")
    assert states_in(out) == ["done"]
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_out_must_be_a_folder(plan_films: PlanFilms, tmp_path: Path) -> None:
    (tmp_path / "films").touch()
    with pytest.raises(OnestoryError) as caught:
        run_batch(plan_films(1), tmp_path / "films", BACKEND)
    assert (caught.value.code, caught.value.exit) == ("U605", ExitCode.USAGE)
    assert "--out" in caught.value.help


def test_a_failed_film_does_not_stop_the_others_and_the_batch_resumes(plan_films: PlanFilms) -> None:
    plans = plan_films(2)
    out = plans[0].film.run.parent
    with ExitStack() as stack:
        held(plans, 0, stack)
        result = run_batch(plans, out, BACKEND)
    assert result.exit is ExitCode.PARTIAL
    assert states_in(out) == ["failed", "done"]
    assert run_batch(plans, out, BACKEND).exit is ExitCode.DONE
    assert [(row.outcome.rendered, row.outcome.kept) for row in run_batch(plans, out, BACKEND).rows] == 2 * [(0, 2)]


def test_fail_fast_ends_the_batch(plan_films: PlanFilms) -> None:
    plans = plan_films(2)
    with ExitStack() as stack:
        held(plans, 0, stack)
        result = run_batch(plans, plans[0].film.run.parent, BACKEND, fail_fast=True)
    assert result.exit is ExitCode.PARTIAL
    assert [row.outcome.state for row in result.rows] == ["failed", "left"]
