"""Run a batch: prepare the films, dispatch them to a worker pool, keep batch.json up to date."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from onestory_cli.batch.dispatch import Dispatch, WorkerPool
from onestory_cli.batch.films import BatchFilm, prepare
from onestory_cli.batch.result import BatchResult, Outcome, rows_of
from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.events import BatchEnded, BatchStarted, Emit, FilmEnded, ignore
from onestory_cli.planning.jobs import Plan
from onestory_cli.rendering.render import never_stop
from onestory_cli.store.disk import Disk
from onestory_cli.store.lock import locked

_LOCK = ".batch.lock"


@dataclass(frozen=True, kw_only=True)
class PlannedFilm:
    """A film and its plan."""

    film: BatchFilm
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class RefusedFilm:
    """A film that cannot be planned, and why."""

    film: BatchFilm
    fault: OnestoryError


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Kind of workers; `open_pool` starts a pool of `workers` for a `with` block."""

    where: Literal["local", "ray", "slurm"]
    workers: int
    open_pool: Callable[[], AbstractContextManager[WorkerPool]]


def run_batch(
    planned: Sequence[PlannedFilm],
    out: Path,
    backend: Backend,
    emit: Emit = ignore,
    *,
    refused: Sequence[RefusedFilm] = (),
    stop: Callable[[], bool] = never_stop,
    fail_fast: bool = False,
) -> BatchResult:
    """Render all films, each into its run directory, and keep `out`/batch.json up to date.

    A failed film does not stop the others unless `fail_fast`. Films in `refused` have failed before the start. When
    `stop()` becomes true, all stop within one step.

    Raises:
        OnestoryError: U605 if `out` is a file, B804 if no worker starts, R401 if another batch writes to `out`, R4xx if
            it cannot be written.
    """
    if out.exists() and not out.is_dir():
        help = "name a folder for the run directories with --out"
        raise OnestoryError("U605", f'"{shorten(out, 200)}" exists and is not a folder', help=help, exit=ExitCode.USAGE)
    Disk().make_folder(out)
    with locked(out / _LOCK, Disk()):
        return _run_locked(_Batch(planned, refused, out, backend, emit), stop=stop, fail_fast=fail_fast)


def _run_locked(batch: _Batch, *, stop: Callable[[], bool], fail_fast: bool) -> BatchResult:
    planned, backend, emit = batch.planned, batch.backend, batch.emit
    emit(
        BatchStarted(
            films=len(batch.films),
            shots=sum(len(item.plan.jobs) for item in planned),
            workers=backend.workers,
            where=backend.where,
        )
    )
    for item in batch.refused:
        batch.refuse(item.film, item.fault)
    films = batch.prepare()
    if films and not (fail_fast and batch.outcomes):
        with backend.open_pool() as pool:
            shots = {item.film.name: len(item.plan.jobs) for item in planned}
            Dispatch(films, shots, pool, emit, stop=stop, fail_fast=fail_fast, ended=batch.end).run()
    result = batch.result()
    emit(BatchEnded(states=result.states, seconds=result.seconds))
    return result


class _Batch:
    """Outcomes so far, written to batch.json at each change."""

    def __init__(
        self,
        planned: Sequence[PlannedFilm],
        refused: Sequence[RefusedFilm],
        out: Path,
        backend: Backend,
        emit: Emit,
    ) -> None:
        self.planned, self.refused, self._out, self.backend, self.emit = planned, refused, out, backend, emit
        self.films = [*(item.film for item in planned), *(item.film for item in refused)]
        self._disk, self._began = Disk(), time.monotonic()
        self.outcomes: dict[str, Outcome] = {}
        self._write()

    def prepare(self) -> list[BatchFilm]:
        """Write the plans into the run directories; return the films that succeeded, record the errors of others."""
        ready = []
        for item in self.planned:
            try:
                prepare(item.film, item.plan)
            except OnestoryError as fault:
                self.refuse(item.film, fault)
            else:
                external = item.plan.model.external
                ready.append(replace(item.film, server=external.server if external else ""))
        return ready

    def refuse(self, film: BatchFilm, fault: OnestoryError) -> None:
        """Record the error of a film that does not start."""
        self.end(film.name, Outcome.of(fault))
        self.emit(_failed_before_start(film, fault))

    def end(self, film: str, outcome: Outcome) -> None:
        self.outcomes[film] = outcome
        self._write()

    def result(self) -> BatchResult:
        rows = rows_of(self.films, self.outcomes)
        seconds = time.monotonic() - self._began
        return BatchResult(rows=rows, where=self.backend.where, workers=self.backend.workers, seconds=seconds)

    def _write(self) -> None:
        self.result().write(self._out, self._disk)


def _failed_before_start(film: BatchFilm, fault: OnestoryError) -> FilmEnded:
    return FilmEnded(
        film=film.name,
        state="failed",
        rendered=0,
        kept=0,
        seconds=0.0,
        code=fault.code,
        message=fault.message,
        help=fault.help,
    )
