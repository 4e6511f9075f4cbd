"""Assign films to the workers of a pool; a film whose worker dies goes to another worker.

The pool may be local processes, Ray actors or Slurm jobs: see `WorkerPool`.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from onestory_cli.batch.films import BatchFilm
from onestory_cli.batch.result import Outcome
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Emit, Event, FilmEnded, FilmStarted, FilmTold, WorkerLost
from onestory_cli.utils.text import shell_quote

MAX_ATTEMPTS = 4  # workers that may die with one film before it fails
MAX_LOST = 6  # workers in a row that may die before they are ready
POLL_SECONDS = 0.2  # between two checks for a stop


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message of a worker. Worker names are unique in a pool; a replacement gets a new name."""

    worker: str


@dataclass(frozen=True, kw_only=True)
class Ready(Message):
    """The worker accepts films."""


@dataclass(frozen=True, kw_only=True)
class Emitted(Message):
    """The film of the worker emitted an event."""

    event: Event


@dataclass(frozen=True, kw_only=True)
class Ended(Message):
    """The film of the worker ended; the worker accepts another."""

    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Lost(Message):
    """The worker died. Work since the last checkpoint of its film is lost; the pool starts a replacement."""

    why: str


class WorkerPool(Protocol):
    """Workers that render one film at a time each."""

    def poll(self, seconds: float) -> Iterable[Message]:
        """Return new messages; wait at most `seconds` for the first."""

    def submit(self, worker: str, film: BatchFilm) -> None:
        """Have a ready worker render a film."""

    def stop(self) -> None:
        """Stop all films within one denoising step. Their `Ended` messages still arrive."""


class Dispatch:
    """Scheduler of one batch. `ended` is called with the name and outcome of each film that ends."""

    def __init__(
        self,
        films: Sequence[BatchFilm],
        shots: Mapping[str, int],
        pool: WorkerPool,
        emit: Emit,
        *,
        stop: Callable[[], bool],
        fail_fast: bool,
        ended: Callable[[str, Outcome], None],
    ) -> None:
        self._waiting, self._shots, self._pool, self._emit = deque(films), shots, pool, emit
        self._stop, self._fail_fast, self._ended = stop, fail_fast, ended
        self._films: dict[str, BatchFilm] = {}  # by worker
        self._began: dict[str, float] = {}
        self._idle: deque[str] = deque()
        self._attempts: Counter[str] = Counter()
        self._lost_early, self._stopping = 0, False

    def run(self) -> None:
        """Run until no film is waiting or rendering.

        Raises:
            OnestoryError: B804 if no worker starts.
        """
        while self._waiting or self._films:
            if self._stop():
                self.stop()
            for message in self._pool.poll(POLL_SECONDS):
                self._take(message)
            while self._idle and (film := self._next_film()):
                self._give(self._idle.popleft(), film)

    def _next_film(self) -> BatchFilm | None:
        """Remove and return the first waiting film whose server is free."""
        busy = {film.server for film in self._films.values() if film.server}
        film = next((film for film in self._waiting if film.server not in busy), None)
        if film:
            self._waiting.remove(film)
        return film

    def stop(self) -> None:
        """Start no more films and stop the current ones within one denoising step."""
        if not self._stopping:
            self._stopping = True
            self._waiting.clear()
            self._pool.stop()

    def _give(self, worker: str, film: BatchFilm) -> None:
        self._attempts[film.name] += 1
        self._films[worker], self._began[worker] = film, time.monotonic()
        attempt = self._attempts[film.name]
        self._emit(FilmStarted(film=film.name, worker=worker, shots=self._shots[film.name], attempt=attempt))
        self._pool.submit(worker, film)

    def _take(self, message: Message) -> None:
        match message:
            case Ready():
                self._lost_early = 0
                self._idle.append(message.worker)
            case Emitted():
                film = self._films[message.worker].name
                self._emit(FilmTold(film=film, kind=type(message.event).__name__, told=message.event))
            case Ended():
                self._idle.append(message.worker)
                self._finish(self._films.pop(message.worker), message.outcome)
            case Lost():
                self._lose(message)

    def _finish(self, film: BatchFilm, outcome: Outcome) -> None:
        again = self._attempts[film.name] < MAX_ATTEMPTS and not (self._stopping or self._stop())
        if outcome.state == "stopped" and again:
            self._waiting.appendleft(film)  # a signal stopped this worker, not the batch
        else:
            self._end(film, outcome)

    def _lose(self, message: Lost) -> None:
        film = self._films.pop(message.worker, None)
        self._emit(WorkerLost(worker=message.worker, film=film.name if film else "", why=message.why))
        if film is None:
            self._lose_before_ready(message)
        elif self._stopping:
            self._end(film, Outcome(state="stopped"))
        elif self._attempts[film.name] < MAX_ATTEMPTS:
            self._waiting.appendleft(film)
        else:
            seconds = time.monotonic() - self._began[message.worker]
            self._end(film, replace(Outcome.of(_lost_too_often(film, message.why)), seconds=seconds))

    def _lose_before_ready(self, message: Lost) -> None:
        if message.worker in self._idle:
            self._idle.remove(message.worker)
        if self._stopping:
            return  # a requested exit
        self._lost_early += 1
        if self._lost_early == MAX_LOST:
            help = "try --workers 1, a smaller size or fewer frames"
            raise OnestoryError("B804", f"cannot start a worker: {message.why}", help=help, exit=ExitCode.MACHINE)

    def _end(self, film: BatchFilm, outcome: Outcome) -> None:
        outcome = replace(outcome, attempts=self._attempts[film.name])
        self._ended(film.name, outcome)
        self._emit(
            FilmEnded(
                film=film.name,
                state=outcome.state,
                rendered=outcome.rendered,
                kept=outcome.kept,
                seconds=outcome.seconds,
                code=outcome.code,
                message=outcome.message,
                help=outcome.help,
            )
        )
        if outcome.state == "failed" and self._fail_fast:
            self.stop()


def _lost_too_often(film: BatchFilm, why: str) -> OnestoryError:
    message = f'{MAX_ATTEMPTS} workers died while rendering "{film.name}"; the last one: {why}'
    help = f"render it alone: `onestory resume {shell_quote(film.run)}`"
    return OnestoryError("B803", message, help=help, exit=ExitCode.PARTIAL)
