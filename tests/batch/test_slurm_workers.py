"""Slurm jobs with submitit's local executor: the same films, and preempted jobs resume."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onestory_cli.batch.films import prepare
from onestory_cli.batch.render_story import WorkerConfig
from onestory_cli.batch.run_batch import Backend, run_batch
from onestory_cli.batch.slurm_workers import SlurmJob, on_slurm, parse_parameters
from onestory_cli.errors import OnestoryError
from onestory_cli.events import Event, FilmTold
from tests.batch.conftest import PlanFilms
from tests.batch.films import alone, holder_of, latents, recomputed_steps

submitit = pytest.importorskip("submitit")
WORK = WorkerConfig(device="cpu", threads=1)


@pytest.mark.slow
def test_jobs_render_the_bytes_of_one_process(plan_films: PlanFilms) -> None:
    plans, heard, cancelled = plan_films(2, steps=3), list[Event](), list[str]()
    out = plans[0].film.run.parent
    crews = list[Any]()

    def emit(event: Event) -> None:
        heard.append(event)
        if isinstance(event, FilmTold) and event.kind == "ShotStarted" and not cancelled:
            ((job, _),) = crews[0]._jobs.values()
            job.cancel()
            cancelled.append(event.film)

    @contextmanager
    def connect() -> Iterator[Any]:
        with on_slurm({"cluster": "local", "timeout_min": 5}, WORK, 1, out) as crew:
            crews.append(crew)
            yield crew

    result = run_batch(plans, out, Backend(where="slurm", workers=1, open_pool=connect), emit)
    assert result.states == {"done": 2}
    assert result.rows[0].outcome.attempts == 2
    assert {event.kind for event in heard if isinstance(event, FilmTold)} >= {"ShotStarted", "TakeCommitted"}
    assert [latents(item.film.run) for item in plans] == alone(plan_films(2, out="alone", steps=3))


@pytest.mark.slow
def test_a_preempted_job_is_requeued_and_resumes(plan_films: PlanFilms) -> None:
    plans, preempted = plan_films(1, steps=60), list[int]()
    (run,) = [item.film.run for item in plans]

    def preempt(event: Event) -> None:
        if isinstance(event, FilmTold) and event.kind == "PartialKept" and not preempted:
            preempted.append(holder_of(run))
            os.kill(preempted[0], signal.SIGUSR2)  # the signal that Slurm sends before it ends a job

    work = replace(WORK, checkpoint_seconds=0)
    connect = lambda: on_slurm({"cluster": "local", "timeout_min": 5}, work, 1, run.parent)  # noqa: E731
    result = run_batch(plans, run.parent, Backend(where="slurm", workers=1, open_pool=connect), preempt)
    assert [(row.outcome.state, row.outcome.attempts) for row in result.rows] == [("done", 1)]
    (log,) = (run.parent / ".slurm").glob("*_log.err")
    assert "Caught signal SIGUSR2" in log.read_text()
    assert json.loads((run.parent / ".slurm" / f"{run.name}.json").read_bytes())["pid"] != preempted[0]
    assert recomputed_steps(run) == 0
    assert [latents(run)] == alone(plan_films(1, out="alone", steps=60))


@pytest.mark.slow
def test_a_job_removes_only_the_lock_of_its_predecessor(plan_films: PlanFilms) -> None:
    (item,) = plan_films(1)
    prepare(item.film, item.plan)
    run, folder = item.film.run, item.film.run.parent / ".slurm"
    folder.mkdir()
    gone = {"pid": 7, "host": "another"}
    (run / "lock").write_text(json.dumps({**gone, "start": 0.0}))

    def job(batch: str) -> SlurmJob:
        return SlurmJob(directory=run, work=WORK, stop=run.parent / "stop", batch=batch)

    (folder / f"{run.name}.json").write_text(json.dumps({**gone, "batch": "earlier"}))
    refused = job("this")()
    assert (refused.state, refused.code) == ("failed", "R401")
    (folder / f"{run.name}.json").write_text(json.dumps({**gone, "batch": "this"}))
    assert job("this")().state == "done"


@pytest.fixture
def sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Install a fake `sbatch` script on the path; no job ever starts."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def install(script: str) -> None:
        for name, text in {"sbatch": script, "srun": "", "scancel": "", "sacct": "echo 'JobID|State|NodeList'"}.items():
            (folder / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / name).chmod(0o755)

    return install


def test_films_submitted_together_are_one_array(plan_films: PlanFilms, sbatch: Callable[[str], None]) -> None:
    sbatch("echo Submitted batch job 12")
    plans = plan_films(3)
    out = plans[0].film.run.parent
    with on_slurm({"slurm_partition": "gpu"}, WORK, 2, out) as crew:
        for message, item in zip(list(crew.poll(0)), plans, strict=False):
            crew.submit(message.worker, item.film)
        assert list(crew.poll(0)) == []
    script = (out / ".slurm" / "12_submission.sh").read_text()
    assert "#SBATCH --array=0-1%2" in script
    assert "#SBATCH --partition=gpu" in script
    assert "#SBATCH --signal=USR2@" in script
    assert f"#SBATCH --error={out.absolute()}/.slurm/%A_%a_0_log.err" in script
    assert len(list((out / ".slurm").glob("12_?_submitted.pkl"))) == 2


@pytest.mark.slow
def test_a_stop_cancels_queued_jobs(
    plan_films: PlanFilms, sbatch: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sbatch("echo Submitted batch job 12")
    gone = tmp_path / "cancelled"
    (tmp_path / "bin" / "scancel").write_text(f"#!/bin/sh\necho $1 >> {gone}\n")
    state = f"$(test -e {gone} && echo CANCELLED || echo PENDING)"
    (tmp_path / "bin" / "sacct").write_text(f'#!/bin/sh\necho "JobID|State|NodeList"\necho "12|{state}|"\n')
    monkeypatch.setattr("onestory_cli.batch.slurm_workers.QUERY_SECONDS", 0.1)
    plans, looks = plan_films(2), list[bool]()
    out = plans[0].film.run.parent

    def stop() -> bool:
        looks.append((out / ".slurm" / "12_submission.sh").exists())
        return looks[-1]

    connect = lambda: on_slurm({}, WORK, 1, out)  # noqa: E731
    result = run_batch(plans, out, Backend(where="slurm", workers=1, open_pool=connect), stop=stop)
    assert [row.outcome.state for row in result.rows] == ["stopped", "left"]
    assert gone.read_text().splitlines() == ["12"]


def test_errors_of_slurm_are_quoted(plan_films: PlanFilms, sbatch: Callable[[str], None]) -> None:
    sbatch("echo 'sbatch: error: invalid partition specified: gpu' >&2; exit 1")
    plans = plan_films(1)
    connect = lambda: on_slurm({}, WORK, 1, plans[0].film.run.parent)  # noqa: E731
    with pytest.raises(OnestoryError, match="invalid partition specified: gpu") as caught:
        run_batch(plans, plans[0].film.run.parent, Backend(where="slurm", workers=1, open_pool=connect))
    assert caught.value.code == "B804"


def test_parameters() -> None:
    assert parse_parameters("auto") == {}
    assert parse_parameters("timeout_min=600,slurm_partition=gpu") == {"timeout_min": 600, "slurm_partition": "gpu"}
    with pytest.raises(OnestoryError, match="not a list of NAME=VALUE"):
        parse_parameters("gpu")


def test_unknown_slurm_parameters_are_refused(plan_films: PlanFilms) -> None:
    out = plan_films(1)[0].film.run.parent
    for parameters, code in (({"cluster": "local", "partion": "gpu"}, "B805"), ({"cluster": "slrum"}, "B804")):
        with pytest.raises(OnestoryError) as caught, on_slurm(parameters, WORK, 1, out):
            pass
        assert caught.value.code == code
