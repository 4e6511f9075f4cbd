"""Workers that a Slurm cluster gives, through submitit: a job per film, so many at a time, over one file system.

A job that Slurm takes away or that runs out of time is queued again by submitit and goes on from its directory.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from onestory_cli.batch.away import Away, no_workers, not_installed, stop_file
from onestory_cli.batch.dispatch import Crew, Ended, Lost, Message, Ready, Said
from onestory_cli.batch.films import Film
from onestory_cli.batch.log import Log
from onestory_cli.batch.render_story import Work
from onestory_cli.batch.result import Outcome
from onestory_cli.errors import ExitCode, OnestoryError

FOLDER = ".slurm"  # below --out: what submitit keeps of its jobs
DEFAULTS = {"name": "onestory", "timeout_min": 24 * 60}


def parameters_of(text: str) -> dict[str, Any]:
    """The parameters in `timeout_min=600,slurm_partition=gpu`; `auto` stands for none.

    Raises:
        OnestoryError: B805 for anything else.
    """
    pairs = [item.partition("=") for item in text.split(",") if text != "auto"]
    if not all(name and equals for name, equals, _ in pairs):
        help = "write it as in timeout_min=600,slurm_partition=gpu,gpus_per_node=1, or as auto"
        raise OnestoryError("B805", f'"{text}" is no list of NAME=VALUE', help=help, exit=ExitCode.USAGE)
    return {name.strip(): int(value) if value.isdecimal() else value for name, _, value in pairs}


@dataclass(frozen=True, kw_only=True)
class FilmJob:
    """What a job does. submitit pickles it, and calls `checkpoint` when the job is about to be taken away."""

    directory: Path
    work: Work
    stop: Path

    def __call__(self) -> Outcome:
        return Away(self.work).render(self.directory, self.stop)

    def checkpoint(self) -> Any:
        """The same again: what was done is in the directory."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class Jobs:
    """A Crew whose workers are places in the queue."""

    def __init__(self, executor: Any, work: Work, workers: int, stop: Path) -> None:
        self._executor, self._stop = executor, stop
        self._work = replace(work, share=1, place=0)  # Slurm gives each job its own part of a machine
        self._names = count(1)
        self._new = [str(next(self._names)) for _ in range(workers)]
        self._jobs: dict[str, tuple[Any, Log]] = {}

    def hear(self, seconds: float) -> Iterator[Message]:
        for name in self._new:
            yield Ready(worker=name)
        self._new = []
        time.sleep(seconds)
        for name, (job, log) in list(self._jobs.items()):
            over = job.done()
            yield from (Said(worker=name, event=event) for event in log.new())
            if over:
                del self._jobs[name]
                yield self._end(name, job)

    def give(self, worker: str, film: Film) -> None:
        job = FilmJob(directory=film.run.absolute(), work=self._work, stop=self._stop)
        self._jobs[worker] = self._executor.submit(job), Log(film.run)

    def stop(self) -> None:
        self._stop.touch()

    def close(self) -> None:
        """Take what is left out of the queue."""
        for job, _ in self._jobs.values():
            job.cancel()

    def _end(self, name: str, job: Any) -> Message:
        fault = job.exception()
        if fault is None:
            return Ended(worker=name, outcome=job.result())
        self._new.append(str(next(self._names)))
        return Lost(worker=name, why=f"{job.state.lower()}, see {job.paths.stderr}")


@contextmanager
def on_slurm(parameters: dict[str, Any], work: Work, workers: int, out: Path) -> Iterator[Crew]:
    """A crew of so many places in the queue. The parameter `cluster` may be `local`: processes of this machine.

    Raises:
        OnestoryError: M514 without submitit, B804 without Slurm, B805 for a parameter that it does not know.
    """
    try:
        import submitit
    except ImportError as fault:
        raise not_installed("slurm", "--slurm") from fault
    given = {**DEFAULTS, **parameters}
    try:
        executor = submitit.AutoExecutor(folder=out.absolute() / FOLDER, cluster=given.pop("cluster", "slurm"))
    except (RuntimeError, ValueError) as fault:
        raise no_workers(f"Slurm: {fault}") from fault
    try:
        executor.update_parameters(**given)
    except (NameError, TypeError, ValueError, AssertionError) as fault:
        help = "parameters are those of submitit's AutoExecutor; those of Slurm itself begin with slurm_"
        raise OnestoryError("B805", f"submitit: {fault}", help=help, exit=ExitCode.USAGE) from fault
    with stop_file(out) as stop:
        crew = Jobs(executor, work, workers, stop)
        try:
            yield crew
        finally:
            crew.close()
