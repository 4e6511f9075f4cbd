"""Workers that a Slurm cluster gives, through submitit: a job per film, so many at a time, over one file system.

A job that Slurm takes away or that runs out of time is queued again by submitit and goes on from its directory. Jobs
that are given at the same time, as the first ones are, are one array.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from onestory_cli.batch.dispatch import Crew, Ended, Lost, Message, Ready, Said
from onestory_cli.batch.event_log import Log
from onestory_cli.batch.films import Film
from onestory_cli.batch.remote_worker import Away, no_workers, not_installed, stop_file
from onestory_cli.batch.render_story import Work
from onestory_cli.batch.result import Outcome
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.store.layout import LOCK
from onestory_cli.store.lock import remove_stale_lock

FOLDER = ".slurm"  # below --out: what submitit keeps of its jobs, and who makes or made each film
WAITING = ("PENDING", "REQUEUED", "READY")
DEFAULTS = {"name": "onestory", "timeout_min": 24 * 60}
SECONDS_TO_ASK = 5.0  # between two questions to Slurm about jobs that were cancelled
# Each time the film goes on, so a job may run out of time as often as it takes; submitit's own limit is three.
MOST_TIMEOUTS = 1000


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
    """What a job does. submitit pickles it, and calls `checkpoint` when the job is about to be taken away.

    `batch` tells the jobs of one batch from those of any other: a film has one job of a batch at a time.
    """

    directory: Path
    work: Work
    stop: Path
    batch: str

    def __call__(self) -> Outcome:
        away = Away(self.work)
        self._succeed(*away.who())
        return away.render(self.directory, self.stop)

    def checkpoint(self) -> Any:
        """The same again: what was done is in the directory."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _succeed(self, pid: int, host: str) -> None:
        """Take over the lock of the job before, which is gone; on another machine nobody else could know that."""
        sign = self.stop.parent / FOLDER / f"{self.directory.name}.json"
        last = json.loads(sign.read_bytes()) if sign.exists() else {}
        if last.get("batch") == self.batch:
            remove_stale_lock(self.directory / LOCK, pid=last["pid"], host=last["host"])
        mine = sign.with_suffix(".new")
        mine.write_text(json.dumps({"batch": self.batch, "pid": pid, "host": host}))
        os.replace(mine, sign)


class Jobs:
    """A Crew whose workers are places in the queue."""

    def __init__(self, executor: Any, work: Work, workers: int, stop: Path) -> None:
        self._executor, self._stop = executor, stop
        self._work = replace(work, share=1, place=0)  # Slurm gives each job its own part of a machine
        self._names = count(1)
        self._new = [str(next(self._names)) for _ in range(workers)]
        self._given: dict[str, Film] = {}  # by worker; not yet submitted
        self._jobs: dict[str, tuple[Any, Log]] = {}
        self._batch = uuid.uuid4().hex
        self._cancelled: float | None = None  # when; then, when it was asked for the last time

    def hear(self, seconds: float) -> Iterator[Message]:
        yield from self._submit()
        for name in self._new:
            yield Ready(worker=name)
        self._new = []
        time.sleep(seconds)
        ask = self._ask()
        for name, (job, log) in list(self._jobs.items()):
            over = job.done(force_check=ask)
            yield from (Said(worker=name, event=event) for event in log.new())
            if over:
                del self._jobs[name]
                yield self._end(name, job)

    def give(self, worker: str, film: Film) -> None:
        self._given[worker] = film

    def stop(self) -> None:
        """Jobs that run end by the file, and those that wait in the queue are taken out of it."""
        self._stop.touch()
        self._cancelled = time.monotonic()
        for job, _ in self._jobs.values():
            if job.state.upper() in WAITING:
                job.cancel()

    def close(self) -> None:
        """Take what is left out of the queue."""
        for job, _ in self._jobs.values():
            job.cancel()

    def _ask(self) -> bool:
        """Whether to ask Slurm itself; submitit does so once a minute, which is long for one who wants to leave."""
        if self._cancelled is None or time.monotonic() - self._cancelled < SECONDS_TO_ASK:
            return False
        self._cancelled = time.monotonic()
        return True

    def _submit(self) -> Iterator[Message]:
        """Put what was given into the queue, as one array where it is several; nothing after a stop.

        Raises:
            OnestoryError: B804 where Slurm refuses it.
        """
        from submitit.core.utils import FailedJobError

        given, self._given = self._given, {}
        if self._cancelled is not None:
            yield from (Ended(worker=worker, outcome=Outcome()) for worker in given)
        elif given:
            try:
                with self._executor.batch():
                    jobs = {
                        worker: (self._executor.submit(self._job(film)), Log(film.run))
                        for worker, film in given.items()
                    }
            except FailedJobError as fault:
                raise no_workers(f"Slurm: {str(fault).strip()}") from fault
            self._jobs |= jobs

    def _job(self, film: Film) -> FilmJob:
        return FilmJob(directory=film.run.absolute(), work=self._work, stop=self._stop, batch=self._batch)

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
        executor = submitit.AutoExecutor(
            folder=out.absolute() / FOLDER,
            cluster=given.pop("cluster", "slurm"),
            slurm_max_num_timeout=MOST_TIMEOUTS,
        )
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
