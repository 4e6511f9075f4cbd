"""Workers on this machine: processes of their own, each with its model, one per GPU or with a part of the CPU."""

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

from onestory_cli.batch.dispatch import Ended, Lost, Message, Ready, Said
from onestory_cli.batch.films import Film
from onestory_cli.batch.render_story import Models, Work, render_story
from onestory_cli.batch.result import Outcome
from onestory_cli.events import Event

PATIENCE = 0.5  # seconds between two looks at whether a signal came
SECONDS_TO_LEAVE = 10.0  # for a worker that has nothing more to do


@dataclass(frozen=True, kw_only=True)
class _Worker:
    place: int
    process: BaseProcess
    pipe: Connection


class Processes:
    """A Crew of processes that are spawned, so that none inherits a GPU's or a thread's state."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._context = multiprocessing.get_context("spawn")
        self._names = count(1)
        self._workers: dict[str, _Worker] = {}
        self._stopping = False

    def __enter__(self) -> Processes:
        for place in range(self._work.share):
            self._start(place)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for worker in self._workers.values():
            if kind is not None:
                worker.process.kill()
            worker.pipe.close()  # one that still works sees it, and stops within a step
        for worker in self._workers.values():
            worker.process.join(SECONDS_TO_LEAVE)
            if worker.process.is_alive():
                worker.process.kill()

    def hear(self, seconds: float) -> Iterator[Message]:
        by_pipe = {worker.pipe: name for name, worker in self._workers.items()}
        for pipe in wait(list(by_pipe), seconds):
            assert isinstance(pipe, Connection)
            yield self._read(by_pipe[pipe], pipe)

    def give(self, worker: str, film: Film) -> None:
        with suppress(OSError):  # it is gone, which is heard of next
            self._workers[worker].pipe.send(film.run.absolute())

    def stop(self) -> None:
        self._stopping = True
        for worker in self._workers.values():
            with suppress(OSError):
                worker.pipe.send(None)

    def _read(self, name: str, pipe: Connection) -> Message:
        try:
            told: Event | Outcome | None = pipe.recv()
        except (EOFError, OSError):
            return self._bury(name)
        if isinstance(told, Outcome):
            return Ended(worker=name, outcome=told)
        return Said(worker=name, event=told) if told else Ready(worker=name)

    def _bury(self, name: str) -> Lost:
        worker = self._workers.pop(name)
        worker.pipe.close()
        worker.process.join()
        if not self._stopping:
            self._start(worker.place)
        return Lost(worker=name, why=_why(worker.process.exitcode or 0))

    def _start(self, place: int) -> None:
        name = str(next(self._names))
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=serve, args=(theirs, replace(self._work, place=place)), name=f"onestory-{name}", daemon=True
        )
        process.start()
        theirs.close()  # else its end would not be heard of
        self._workers[name] = _Worker(place=place, process=process, pipe=ours)


def serve(pipe: Connection, work: Work) -> None:
    """A worker's life: a directory comes, events and an outcome go; it ends by None, or with whoever sends.

    Anything that comes while a film is made means stop, and so do Ctrl-C and SIGTERM.
    """
    signals = Signals()
    models = Models(work)

    def say(event: Event) -> None:
        with suppress(OSError):  # nobody listens any more; `stop` finds that out
            pipe.send(event)

    with suppress(EOFError, OSError):
        pipe.send(None)
        while directory := _next(pipe, signals):
            outcome = render_story(
                directory,
                models,
                say,
                stop=lambda: signals.arrived or pipe.poll(),
                checkpoint_seconds=work.checkpoint_seconds,
            )
            pipe.send(outcome)


def _next(pipe: Connection, signals: Signals) -> Path | None:
    """The next directory; None when there is none, or a signal came."""
    while not pipe.poll(PATIENCE):
        if signals.arrived:
            return None
    directory: Path | None = pipe.recv()
    return directory


class Signals:
    """Remembers that a signal came, instead of ending the process amid a step."""

    def __init__(self) -> None:
        self.arrived = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.arrived = True


def _why(exitcode: int) -> str:
    if exitcode < 0:
        return f"killed by {signal.Signals(-exitcode).name}"
    return f"ended with {exitcode}"
