"""Worker pool of Slurm jobs, through submitit: one job per film, over a shared file system.

submitit requeues a job that is preempted or times out; it resumes from its run directory. Jobs submitted together, as
the first ones are, form one job array.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from onestory_cli.batch.dispatch import Emitted, Ended, Lost, Message, Ready, WorkerPool
from onestory_cli.batch.event_log import EventLog
from onestory_cli.batch.films import BatchFilm
from onestory_cli.batch.remote_worker import RemoteWorker, missing_package, no_worker_error, stop_file
from onestory_cli.batch.render_story import WorkerConfig
from onestory_cli.batch.result import Outcome
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.store.layout import LOCK
from onestory_cli.store.lock import remove_stale_lock
from onestory_cli.utils.atomic import write_atomic
from onestory_cli.utils.untrusted import read_json_map

FOLDER = ".slurm"  # below --out: files of submitit, and the owner of each film
WAITING = ("PENDING", "REQUEUED", "READY")
DEFAULTS = {"name": "onestory", "timeout_min": 24 * 60}
QUERY_SECONDS = 5.0  # between two queries for cancelled jobs
# A job makes progress before each timeout, so allow any number; submitit's default is three.
MAX_TIMEOUTS = 1000


def parse_parameters(text: str) -> dict[str, Any]:
    """Parse `timeout_min=600,slurm_partition=gpu`; `auto` gives no parameters.

    Raises:
        OnestoryError: B805 for anything else.
    """
    pairs = [item.partition("=") for item in text.split(",") if text != "auto"]
    if not all(name and equals for name, equals, _ in pairs):
        help = "for example timeout_min=600,slurm_partition=gpu,gpus_per_node=1, or auto"
        raise OnestoryError("B805", f'"{text}" is not a list of NAME=VALUE', help=help, exit=ExitCode.USAGE)
    return {name.strip(): int(value) if value.isdecimal() else value for name, _, value in pairs}


@dataclass(frozen=True, kw_only=True)
class SlurmJob:
    """The function of a job. submitit pickles it and calls `checkpoint` before the job is preempted.

    `batch` identifies the batch; a film has at most one job of a batch at a time.
    """

    directory: Path
    work: WorkerConfig
    stop: Path
    batch: str

    def __call__(self) -> Outcome:
        worker = RemoteWorker(self.work)
        self._take_over(*worker.identity())
        return worker.render(self.directory, self.stop)

    def checkpoint(self) -> Any:
        """Resubmit the same job: its progress is in the run directory."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _take_over(self, pid: int, host: str) -> None:
        """Remove the lock of the previous job of this film; on another host nothing else can tell that it is dead."""
        owner = self.stop.parent / FOLDER / f"{self.directory.name}.json"
        last = read_json_map(owner) if owner.exists() else {}
        if last.get("batch") == self.batch:
            remove_stale_lock(self.directory / LOCK, pid=last["pid"], host=last["host"])
        write_atomic(owner, json.dumps({"batch": self.batch, "pid": pid, "host": host}).encode())


class SlurmPool:
    """Worker pool whose workers are places in the Slurm queue."""

    def __init__(self, executor: Any, work: WorkerConfig, workers: int, stop: Path) -> None:
        self._executor, self._stop = executor, stop
        self._work = replace(work, share=1, place=0)  # Slurm assigns resources to each job
        self._names = count(1)
        self._new = [str(next(self._names)) for _ in range(workers)]
        self._assigned: dict[str, BatchFilm] = {}  # by worker; submitted at the next poll
        self._jobs: dict[str, tuple[Any, EventLog]] = {}
        self._batch = uuid.uuid4().hex
        self._cancelled: float | None = None  # time of the stop, then of the last query

    def poll(self, seconds: float) -> Iterator[Message]:
        yield from self._submit()
        for name in self._new:
            yield Ready(worker=name)
        self._new = []
        time.sleep(seconds)
        query = self._is_query_due()
        for name, (job, log) in list(self._jobs.items()):
            over = job.done(force_check=query)
            yield from (Emitted(worker=name, event=event) for event in log.new())
            if over:
                del self._jobs[name]
                yield self._end(name, job)

    def submit(self, worker: str, film: BatchFilm) -> None:
        self._assigned[worker] = film

    def stop(self) -> None:
        """Stop running jobs by the stop file and cancel queued ones."""
        self._stop.touch()
        self._cancelled = time.monotonic()
        for job, _ in self._jobs.values():
            if job.state.upper() in WAITING:
                job.cancel()

    def close(self) -> None:
        """Cancel the remaining jobs."""
        for job, _ in self._jobs.values():
            job.cancel()

    def _is_query_due(self) -> bool:
        """Whether to query Slurm after a stop; submitit itself does so once a minute."""
        if self._cancelled is None or time.monotonic() - self._cancelled < QUERY_SECONDS:
            return False
        self._cancelled = time.monotonic()
        return True

    def _submit(self) -> Iterator[Message]:
        """Submit the assigned films, several as one job array; none after a stop.

        Raises:
            OnestoryError: B804 if Slurm rejects them.
        """
        from submitit.core.utils import FailedJobError

        films, self._assigned = self._assigned, {}
        if self._cancelled is not None:
            yield from (Ended(worker=worker, outcome=Outcome()) for worker in films)
        elif films:
            try:
                with self._executor.batch():
                    jobs = {
                        worker: (self._executor.submit(self._job(film)), EventLog(film.run))
                        for worker, film in films.items()
                    }
            except FailedJobError as fault:
                raise no_worker_error(f"Slurm: {str(fault).strip()}") from fault
            self._jobs |= jobs

    def _job(self, film: BatchFilm) -> SlurmJob:
        return SlurmJob(directory=film.run.absolute(), work=self._work, stop=self._stop, batch=self._batch)

    def _end(self, name: str, job: Any) -> Message:
        fault = job.exception()
        if fault is None:
            return Ended(worker=name, outcome=job.result())
        self._new.append(str(next(self._names)))
        return Lost(worker=name, why=f"{job.state.lower()}, see {job.paths.stderr}")


@contextmanager
def on_slurm(parameters: dict[str, Any], work: WorkerConfig, workers: int, out: Path) -> Iterator[WorkerPool]:
    """Pool of `workers` jobs. The parameter `cluster=local` uses processes of this machine.

    Raises:
        OnestoryError: M514 without submitit, B804 without Slurm, B805 for an unknown parameter.
    """
    try:
        import submitit
    except ImportError as fault:
        raise missing_package("slurm", "--slurm") from fault
    given = {**DEFAULTS, **parameters}
    try:
        executor = submitit.AutoExecutor(
            folder=out.absolute() / FOLDER,
            cluster=given.pop("cluster", "slurm"),
            slurm_max_num_timeout=MAX_TIMEOUTS,
        )
    except (RuntimeError, ValueError) as fault:
        raise no_worker_error(f"Slurm: {fault}") from fault
    try:
        executor.update_parameters(**given)
    except (NameError, TypeError, ValueError, AssertionError) as fault:
        help = "use the parameters of submitit's AutoExecutor; those of Slurm begin with slurm_"
        raise OnestoryError("B805", f"submitit: {fault}", help=help, exit=ExitCode.USAGE) from fault
    with stop_file(out) as stop:
        pool = SlurmPool(executor, work, workers, stop)
        try:
            yield pool
        finally:
            pool.close()
