"""Local worker pool: one process per worker, each with its own model, on a GPU or a part of the CPU."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

from onestory_cli.batch.dispatch import Emitted, Ended, Lost, Message, Ready
from onestory_cli.batch.films import BatchFilm
from onestory_cli.batch.render_story import ModelCache, WorkerConfig, render_story
from onestory_cli.batch.result import Outcome
from onestory_cli.events import Event

POLL_SECONDS = 0.5  # between two checks for a signal
SHUTDOWN_SECONDS = 10.0  # for an idle worker to exit


@dataclass(frozen=True, kw_only=True)
class _Worker:
    place: int
    process: BaseProcess
    pipe: Connection


class LocalPool:
    """Worker pool of spawned processes; a fork would inherit CUDA and thread state."""

    def __init__(self, work: WorkerConfig) -> None:
        self._work = work
        self._context = multiprocessing.get_context("spawn")
        self._names = count(1)
        self._workers: dict[str, _Worker] = {}
        self._stopping = False

    def __enter__(self) -> LocalPool:
        for place in range(self._work.share):
            self._start(place)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for worker in self._workers.values():
            if kind is not None:
                worker.process.kill()
            worker.pipe.close()  # a busy worker sees this and stops within a step
        for worker in self._workers.values():
            worker.process.join(SHUTDOWN_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()

    def poll(self, seconds: float) -> Iterator[Message]:
        by_pipe = {worker.pipe: name for name, worker in self._workers.items()}
        for pipe in wait(list(by_pipe), seconds):
            assert isinstance(pipe, Connection)
            yield self._read(by_pipe[pipe], pipe)

    def submit(self, worker: str, film: BatchFilm) -> None:
        with suppress(OSError):  # the worker died: the next poll reports it
            self._workers[worker].pipe.send(film.run.absolute())

    def stop(self) -> None:
        self._stopping = True
        for worker in self._workers.values():
            with suppress(OSError):
                worker.pipe.send(None)

    def _read(self, name: str, pipe: Connection) -> Message:
        try:
            received: Event | Outcome | None = pipe.recv()
        except (EOFError, OSError):
            return self._replace_worker(name)
        if isinstance(received, Outcome):
            return Ended(worker=name, outcome=received)
        return Emitted(worker=name, event=received) if received else Ready(worker=name)

    def _replace_worker(self, name: str) -> Lost:
        worker = self._workers.pop(name)
        worker.pipe.close()
        worker.process.join()
        if not self._stopping:
            self._start(worker.place)
        return Lost(worker=name, why=_exit_reason(worker.process.exitcode or 0))

    def _start(self, place: int) -> None:
        name = str(next(self._names))
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=serve, args=(theirs, replace(self._work, place=place)), name=f"onestory-{name}", daemon=True
        )
        process.start()
        theirs.close()  # or the pipe never reports end of file
        self._workers[name] = _Worker(place=place, process=process, pipe=ours)


def serve(pipe: Connection, work: WorkerConfig) -> None:
    """Main function of a worker: receive run directories, send events and outcomes.

    Exits on None or when the parent closes the pipe. Any message during a render means stop, as do SIGINT and SIGTERM.
    """
    signals = Signals()
    models = ModelCache(work)

    def emit(event: Event) -> None:
        with suppress(OSError):  # the parent is gone; `stop` notices
            pipe.send(event)

    with suppress(EOFError, OSError):
        pipe.send(None)
        while directory := _next(pipe, signals):
            outcome = render_story(
                directory,
                models,
                emit,
                stop=lambda: signals.arrived or pipe.poll(),
                checkpoint_seconds=work.checkpoint_seconds,
                keep_original=work.keep_original,
            )
            pipe.send(outcome)


def _next(pipe: Connection, signals: Signals) -> Path | None:
    """Wait for the next run directory; None to exit."""
    while not pipe.poll(POLL_SECONDS):
        if signals.arrived:
            return None
    directory: Path | None = pipe.recv()
    return directory


class Signals:
    """Signal handler that sets a flag, so that the current step finishes."""

    def __init__(self) -> None:
        self.arrived = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.arrived = True


def _exit_reason(exitcode: int) -> str:
    if exitcode < 0:
        return f"killed by {signal.Signals(-exitcode).name}"
    return f"exited with {exitcode}"
