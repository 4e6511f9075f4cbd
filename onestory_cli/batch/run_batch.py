"""A batch from its films to batch.json, whoever the workers are."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from onestory_cli.batch.dispatch import Crew, Dispatch
from onestory_cli.batch.films import Film, prepare
from onestory_cli.batch.result import Outcome, Result, rows_of
from onestory_cli.errors import OnestoryError
from onestory_cli.events import BatchEnded, BatchStarted, Emit, FilmEnded, ignore
from onestory_cli.planning.jobs import Plan
from onestory_cli.rendering.options import never_stop
from onestory_cli.store.disk import Disk


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A film and what it asks of a model."""

    film: Film
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class Hands:
    """Who does the work: `hire` gives a crew of so many workers for the length of a block."""

    where: Literal["local", "ray", "slurm"]
    workers: int
    hire: Callable[[], AbstractContextManager[Crew]]


def run_batch(
    planned: Sequence[Planned],
    out: Path,
    hands: Hands,
    emit: Emit = ignore,
    *,
    stop: Callable[[], bool] = never_stop,
    fail_fast: bool = False,
) -> Result:
    """Make all films, each in its run directory; what becomes of them is in `out` as batch.json, all the time.

    Films that fail do not keep others from being made, unless `fail_fast`. Once `stop()` is true all end within a step.

    Raises:
        OnestoryError: B804 when no worker can be had, R4xx when `out` cannot be written.
    """
    batch = _Batch(planned, out, hands, emit)
    emit(
        BatchStarted(
            films=len(planned),
            shots=sum(len(item.plan.jobs) for item in planned),
            workers=hands.workers,
            where=hands.where,
        )
    )
    films = batch.prepare()
    if films and not (fail_fast and batch.outcomes):
        with hands.hire() as crew:
            shots = {item.film.name: len(item.plan.jobs) for item in planned}
            Dispatch(films, shots, crew, emit, stop=stop, fail_fast=fail_fast, ended=batch.end).run()
    result = batch.result()
    emit(BatchEnded(states=result.states, seconds=result.seconds))
    return result


class _Batch:
    """The outcomes so far, written down at each change."""

    def __init__(self, planned: Sequence[Planned], out: Path, hands: Hands, emit: Emit) -> None:
        self._planned, self._out, self._hands, self._emit = planned, out, hands, emit
        self._disk, self._began = Disk(), time.monotonic()
        self.outcomes: dict[str, Outcome] = {}
        self._disk.make_folder(out)
        self._write()

    def prepare(self) -> list[Film]:
        """The films whose plans are frozen in their directories; what is in the way of others is their outcome."""
        ready = []
        for item in self._planned:
            try:
                prepare(item.film, item.plan)
            except OnestoryError as fault:
                self.end(item.film.name, Outcome.of(fault))
                self._emit(_never_begun(item.film, fault))
            else:
                ready.append(item.film)
        return ready

    def end(self, film: str, outcome: Outcome) -> None:
        self.outcomes[film] = outcome
        self._write()

    def result(self) -> Result:
        rows = rows_of([item.film for item in self._planned], self.outcomes)
        seconds = time.monotonic() - self._began
        return Result(rows=rows, where=self._hands.where, workers=self._hands.workers, seconds=seconds)

    def _write(self) -> None:
        self.result().write(self._out, self._disk)


def _never_begun(film: Film, fault: OnestoryError) -> FilmEnded:
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
