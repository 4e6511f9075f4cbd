"""Jobs of submitit, by its executor for this machine: the same films, and jobs that are taken away go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from onestory_cli.batch.on_slurm import FilmJob, on_slurm, parameters_of
from onestory_cli.batch.render_story import Work
from onestory_cli.batch.run import Hands, run_batch
from onestory_cli.errors import OnestoryError
from onestory_cli.events import Event, FilmTold
from tests.batch.conftest import Tell, alone, latents

submitit = pytest.importorskip("submitit")
WORK = Work(device="cpu", threads=1)


def test_jobs_make_the_bytes_of_one_process_even_when_one_is_cancelled(tell: Tell) -> None:
    plans, heard, cancelled = tell(2, steps=3), list[Event](), list[str]()
    out = plans[0].film.run.parent
    crews = list[Any]()

    def emit(event: Event) -> None:
        heard.append(event)
        if isinstance(event, FilmTold) and event.kind == "ShotStarted" and not cancelled:
            ((job, _),) = crews[0]._jobs.values()
            job.cancel()
            cancelled.append(event.film)

    @contextmanager
    def hire() -> Iterator[Any]:
        with on_slurm({"cluster": "local", "timeout_min": 5}, WORK, 1, out) as crew:
            crews.append(crew)
            yield crew

    result = run_batch(plans, out, Hands(where="slurm", workers=1, hire=hire), emit)
    assert result.states == {"done": 2}
    assert result.rows[0].outcome.attempts == 2
    assert {event.kind for event in heard if isinstance(event, FilmTold)} >= {"ShotStarted", "TakeCommitted"}
    assert [latents(item.film.run) for item in plans] == alone(tell(2, out="alone", steps=3))


def test_a_job_that_is_taken_away_is_queued_again_as_it_was(tell: Tell) -> None:
    (item,) = tell(1)
    job = FilmJob(directory=item.film.run, work=WORK, stop=item.film.run / "stop")
    assert job.checkpoint().function == job


def test_parameters() -> None:
    assert parameters_of("auto") == {}
    assert parameters_of("timeout_min=600,slurm_partition=gpu") == {"timeout_min": 600, "slurm_partition": "gpu"}
    with pytest.raises(OnestoryError, match="no list of NAME=VALUE"):
        parameters_of("gpu")


def test_what_slurm_does_not_know_is_refused(tell: Tell) -> None:
    out = tell(1)[0].film.run.parent
    for parameters, code in (({"cluster": "local", "partion": "gpu"}, "B805"), ({"cluster": "slrum"}, "B804")):
        with pytest.raises(OnestoryError) as caught, on_slurm(parameters, WORK, 1, out):
            pass
        assert caught.value.code == code
