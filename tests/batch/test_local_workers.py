"""Worker processes with a tiny model give the same bytes as one process, even if they are killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from onestory_cli.batch.local_workers import LocalPool
from onestory_cli.batch.render_story import WorkerConfig
from onestory_cli.batch.result import BatchResult
from onestory_cli.batch.run_batch import Backend, PlannedFilm, run_batch
from onestory_cli.events import Event, FilmTold, ModelLoading, StepDone, WorkerLost
from onestory_cli.rendering.render import never_stop
from tests.batch.conftest import PlanFilms
from tests.batch.films import alone, holder_of, latents


def batch(
    plans: list[PlannedFilm],
    emit: Callable[[Event], object],
    *,
    workers: int = 1,
    stop: Callable[[], bool] = never_stop,
) -> BatchResult:
    work = WorkerConfig(device="cpu", threads=1, share=workers, checkpoint_seconds=0)
    backend = Backend(where="local", workers=workers, open_pool=lambda: LocalPool(work))
    out = plans[0].film.run.parent
    return run_batch(plans, out, backend, lambda event: (emit(event), None)[1], stop=stop)


def loaded(heard: list[Event]) -> int:
    return sum(isinstance(event, FilmTold) and isinstance(event.told, ModelLoading) for event in heard)


@pytest.mark.slow
def test_two_workers_render_the_bytes_of_one_and_load_the_model_once(plan_films: PlanFilms) -> None:
    plans, heard = plan_films(3), list[Event]()
    result = batch(plans, heard.append, workers=2)
    assert result.states == {"done": 3}
    assert [(row.outcome.rendered, row.outcome.attempts) for row in result.rows] == 3 * [(2, 1)]
    assert loaded(heard) <= 2
    assert [latents(item.film.run) for item in plans] == alone(plan_films(3, out="alone"))
    again = list[Event]()
    assert [row.outcome.kept for row in batch(plans, again.append).rows] == 3 * [2]
    assert loaded(again) == 0


@pytest.mark.fault
def test_a_killed_worker_loses_no_film(plan_films: PlanFilms) -> None:
    plans, lost = plan_films(2, steps=4), list[Event]()

    def kill(event: Event) -> None:
        lost.extend([event] if isinstance(event, WorkerLost) else [])
        if isinstance(event, FilmTold) and isinstance(event.told, StepDone) and event.told.step == 2 and not lost:
            os.kill(holder_of(plans[0].film.run), signal.SIGKILL)

    result = batch(plans, kill)
    assert result.states == {"done": 2}
    assert result.rows[0].outcome.attempts == 2
    assert [event.why for event in lost if isinstance(event, WorkerLost)] == ["killed by SIGKILL"]
    assert [latents(item.film.run) for item in plans] == alone(plan_films(2, out="alone", steps=4))


@pytest.mark.slow
def test_a_stopped_batch_resumes(plan_films: PlanFilms) -> None:
    plans, asked = plan_films(2, steps=4), list[bool]()

    def first_step(event: Event) -> None:
        if isinstance(event, FilmTold) and isinstance(event.told, StepDone):
            asked.append(True)

    result = batch(plans, first_step, stop=lambda: bool(asked))
    assert [row.outcome.state for row in result.rows] == ["stopped", "left"]
    assert len(list(plans[0].film.run.glob("shots/*/*/partial.safetensors"))) == 1
    assert batch(plans, lambda event: None).states == {"done": 2}
    assert [latents(item.film.run) for item in plans] == alone(plan_films(2, out="alone", steps=4))
