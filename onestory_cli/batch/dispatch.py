"""Films to workers: whoever is ready gets the next film, and a film whose worker was lost goes to another.

It knows no processes, no Ray and no Slurm: a `Crew` has workers and says what happens to them.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from onestory_cli.batch.films import Film
from onestory_cli.batch.result import Outcome
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Emit, Event, FilmEnded, FilmStarted, FilmTold, WorkerLost
from onestory_cli.utils.text import shell_quote

MOST_ATTEMPTS = 4  # a film that takes its workers with it so often would do so again
MOST_LOST = 6  # workers in a row that were lost before they had any film
PATIENCE = 0.2  # seconds between two looks at whether to stop


@dataclass(frozen=True, kw_only=True)
class Message:
    """Something happened to a worker; `worker` is its name, and no two of a crew's have the same one, ever."""

    worker: str


@dataclass(frozen=True, kw_only=True)
class Ready(Message):
    """It can be given films."""


@dataclass(frozen=True, kw_only=True)
class Said(Message):
    """Its film says something."""

    event: Event


@dataclass(frozen=True, kw_only=True)
class Ended(Message):
    """Its film ended; the worker is ready for another."""

    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Lost(Message):
    """It is gone, and with it the work since its film's last checkpoint. The crew has seen to another one."""

    why: str


class Crew(Protocol):
    """Workers. Each has one film at a time."""

    def hear(self, seconds: float) -> Iterable[Message]:
        """What has happened, waiting for it at most so long."""

    def give(self, worker: str, film: Film) -> None:
        """Have a film made by a worker that is ready."""

    def stop(self) -> None:
        """Ask for all films to stop within a step; their outcomes still come."""


class Dispatch:
    """The films of a batch on their way. `outcomes` grows, by name of the film; `ended` is called for each."""

    def __init__(
        self,
        films: Sequence[Film],
        shots: Mapping[str, int],
        crew: Crew,
        emit: Emit,
        *,
        stop: Callable[[], bool],
        fail_fast: bool,
        ended: Callable[[str, Outcome], None],
    ) -> None:
        self._waiting, self._shots, self._crew, self._emit = deque(films), shots, crew, emit
        self._stop, self._fail_fast, self._ended = stop, fail_fast, ended
        self._films: dict[str, Film] = {}  # by worker that is at it
        self._began: dict[str, float] = {}
        self._idle: deque[str] = deque()
        self._attempts: Counter[str] = Counter()
        self._lost_early, self._stopping = 0, False

    def run(self) -> None:
        """Until no film is waiting or being made.

        Raises:
            OnestoryError: B804 when no worker can be had.
        """
        while self._waiting or self._films:
            if self._stop():
                self.stop()
            for message in self._crew.hear(PATIENCE):
                self._take(message)
            while self._waiting and self._idle:
                self._give(self._idle.popleft(), self._waiting.popleft())

    def stop(self) -> None:
        """Begin no more films, and let those that are being made end within a step."""
        if not self._stopping:
            self._stopping = True
            self._waiting.clear()
            self._crew.stop()

    def _give(self, worker: str, film: Film) -> None:
        self._attempts[film.name] += 1
        self._films[worker], self._began[worker] = film, time.monotonic()
        attempt = self._attempts[film.name]
        self._emit(FilmStarted(film=film.name, worker=worker, shots=self._shots[film.name], attempt=attempt))
        self._crew.give(worker, film)

    def _take(self, message: Message) -> None:
        match message:
            case Ready():
                self._lost_early = 0
                self._idle.append(message.worker)
            case Said():
                film = self._films[message.worker].name
                self._emit(FilmTold(film=film, kind=type(message.event).__name__, told=message.event))
            case Ended():
                self._idle.append(message.worker)
                self._finish(self._films.pop(message.worker), message.outcome)
            case Lost():
                self._lose(message)

    def _finish(self, film: Film, outcome: Outcome) -> None:
        again = self._attempts[film.name] < MOST_ATTEMPTS and not (self._stopping or self._stop())
        if outcome.state == "stopped" and again:
            self._waiting.appendleft(film)  # somebody stopped the worker, not the batch
        else:
            self._end(film, outcome)

    def _lose(self, message: Lost) -> None:
        film = self._films.pop(message.worker, None)
        self._emit(WorkerLost(worker=message.worker, film=film.name if film else "", why=message.why))
        if film is None:
            self._lost_one_early(message)
        elif self._stopping:
            self._end(film, Outcome(state="stopped"))
        elif self._attempts[film.name] < MOST_ATTEMPTS:
            self._waiting.appendleft(film)
        else:
            seconds = time.monotonic() - self._began[message.worker]
            self._end(film, replace(Outcome.of(_lost_too_often(film, message.why)), seconds=seconds))

    def _lost_one_early(self, message: Lost) -> None:
        if message.worker in self._idle:
            self._idle.remove(message.worker)
        if self._stopping:
            return  # it was asked to leave
        self._lost_early += 1
        if self._lost_early == MOST_LOST:
            help = "try --workers 1, and see that there is memory for what is asked"
            raise OnestoryError("B804", f"no worker can be started: {message.why}", help=help, exit=ExitCode.MACHINE)

    def _end(self, film: Film, outcome: Outcome) -> None:
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


def _lost_too_often(film: Film, why: str) -> OnestoryError:
    message = f'the workers of "{film.name}" were lost {MOST_ATTEMPTS} times, the last one {why}'
    help = f"try it alone: `onestory resume {shell_quote(film.run)}`"
    return OnestoryError("B803", message, help=help, exit=ExitCode.PARTIAL)
