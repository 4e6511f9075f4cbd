"""`python -m tests.batch.failures`: kill workers and remove nodes under a batch, and compare its films. Prints a table.

Every film is struck up to twice while it is made by two workers, on a Ray cluster of two nodes in this machine or, with
`--local`, by processes; every film must end as one process makes it. Exit code 1 where one does not, or where fewer
failures came to pass than were asked for.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from onestory_cli.batch.render_story import WorkerConfig
from onestory_cli.batch.run_batch import Backend, PlannedFilm, run_batch
from onestory_cli.events import Event, FilmTold, PartialKept, ShotStarted, WorkerLost
from onestory_cli.version import __version__
from tests.batch.films import holder_of, kept_twice, make_alone, plans_of
from tests.faults.kills import differences, outcome_of

SHOTS = ("opening", "return")
WORKERS = 2
STRIKES = 2  # of a film at most: with its fourth lost worker a film is given up
WORK = WorkerConfig(device="cpu", threads=1, share=WORKERS, checkpoint_seconds=0)

Remove = Callable[[int], None]


class Kind(StrEnum):
    KILL = "worker killed"
    NODE = "node removed"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A film's worker is struck once so many steps of the film are kept (0: while the model loads), and a bit later."""

    film: int
    kind: Kind
    steps: int
    delay: float


@dataclass(kw_only=True)
class Struck:
    """What came of a failure: where the film was, why the worker was lost, where and when the film went on."""

    failure: Failure
    at: str
    when: float
    why: str = ""
    went_on: str = ""
    seconds: float = 0.0


def deal(count: int, dice: random.Random, *, steps: int, nodes: bool) -> list[Failure]:
    """Failures over the films, at different instants; about a third of them removes a node, where there are `nodes`."""
    kinds = [Kind.NODE if nodes and number % 3 == 1 else Kind.KILL for number in range(count)]
    dice.shuffle(kinds)
    failures: list[Failure] = []
    for film in range((count + STRIKES - 1) // STRIKES):
        # in the first half: a fast machine may be at the last steps before it is heard that it was there
        instants = sorted(dice.sample(range(1, len(SHOTS) * steps // 2), STRIKES))
        if film == 0:
            instants[0] = 0
        failures += [
            Failure(film=film, kind=kinds.pop(), steps=at, delay=dice.random() / 10) for at in instants if kinds
        ]
    return failures


class Saboteur:
    """Hears what a batch says, and strikes. The next failure of a film is due when the one before is over."""

    def __init__(self, plans: Sequence[PlannedFilm], failures: Sequence[Failure], remove: Remove) -> None:
        self._runs = {item.film.name: item.film.run for item in plans}
        self._due = {
            item.film.name: [failure for failure in failures if failure.film == number]
            for number, item in enumerate(plans)
        }
        self._remove = remove
        self._going: dict[str, Struck] = {}  # by film that has not gone on yet
        self.struck: list[Struck] = []

    def __call__(self, event: Event) -> None:
        match event:
            case WorkerLost(film=film) if film in self._going:
                self._going[film].why = event.why
            case FilmTold(film=film, told=ShotStarted() as told) if film in self._going and self._going[film].why:
                struck = self._going.pop(film)
                struck.went_on = f"{told.shot}, {told.goes_on or 'from its start'}"
                struck.seconds = time.monotonic() - struck.when
            case FilmTold(film=film) if film not in self._going and self._due[film]:
                self._consider(film, event.told)

    def _consider(self, film: str, told: Event) -> None:
        failure = self._due[film][0]
        if steps_kept(told) >= failure.steps:
            del self._due[film][0]
            time.sleep(failure.delay)
            with suppress(FileNotFoundError):  # the film ended meanwhile
                self._strike(film, failure, holder_of(self._runs[film]), _place(told))

    def _strike(self, film: str, failure: Failure, worker: int, place: str) -> None:
        self._going[film] = Struck(failure=failure, at=place, when=time.monotonic())
        self.struck.append(self._going[film])
        if failure.kind is Kind.NODE:
            self._remove(worker)
        else:
            os.kill(worker, signal.SIGKILL)


def steps_kept(told: Event) -> int:
    """How many steps of its film are kept as far as this event tells."""
    match told:
        case PartialKept():
            return SHOTS.index(told.shot) * told.steps + told.step
        case ShotStarted():
            return told.index * told.steps
        case _:
            return 0


def _place(told: Event) -> str:
    match told:
        case PartialKept():
            return f"{told.shot}, step {told.step} of {told.steps}"
        case ShotStarted():
            return f"{told.shot} begins"
        case _:
            return "the model loads"


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What became of the films: by film "" or what is wrong, how many steps were made twice although they were kept."""

    where: str
    steps: int
    asked: int
    struck: Sequence[Struck]
    films: Sequence[str]
    again: int
    seconds: float

    @property
    def survived(self) -> bool:
        return len(self.lost) == self.asked and not any(self.films) and not self.again

    @property
    def lost(self) -> list[Struck]:
        """The failures that came to pass: a worker was lost."""
        return [item for item in self.struck if item.why]


def survey(folder: Path, model: Path, count: int, seed: int, *, steps: int, local: bool) -> Survey:
    """Make films under failures and alone, and compare all that they came to."""
    failures = deal(count, random.Random(seed), steps=steps, nodes=not local)
    films = 1 + max(failure.film for failure in failures)
    plans = plans_of(folder, model, films=films, steps=steps, out="struck")
    began = time.monotonic()
    with workers(plans[0].film.run.parent, local=local) as (backend, remove):
        saboteur = Saboteur(plans, failures, remove)
        result = run_batch(plans, plans[0].film.run.parent, backend, saboteur)
    seconds = time.monotonic() - began
    alone = plans_of(folder, model, films=films, steps=steps, out="alone")
    make_alone(alone)
    ends = [
        _end(row.outcome.state, one.film.run, other.film.run)
        for row, one, other in zip(result.rows, plans, alone, strict=True)
    ]
    again = sum(kept_twice(item.film.run) for item in plans)
    return Survey(
        where=backend.where, steps=steps, asked=count, struck=saboteur.struck, films=ends, again=again, seconds=seconds
    )


@contextmanager
def workers(out: Path, *, local: bool) -> Iterator[tuple[Backend, Remove]]:
    """Two workers, and what removes the node of one."""
    if local:
        from onestory_cli.batch.local_workers import LocalPool

        yield Backend(where="local", workers=WORKERS, open_pool=lambda: LocalPool(WORK)), lambda worker: None
        return
    from onestory_cli.batch.ray_workers import on_ray
    from tests.batch.nodes import two_nodes

    with two_nodes() as nodes:
        hire = lambda: on_ray(nodes.address, WORK, WORKERS, out)  # noqa: E731
        yield Backend(where="ray", workers=WORKERS, open_pool=hire), nodes.remove


def _end(state: str, struck: Path, alone: Path) -> str:
    if state != "done":
        return f"it is {state}"
    expected, found = outcome_of(alone), outcome_of(struck)
    return "" if found == expected else f"differs: {differences(expected, found)}"


def report(survey: Survey, *, seed: int) -> str:
    """A row for each failure, and what became of the films."""
    kinds = Counter(item.failure.kind for item in survey.lost)
    wrong = [f"film {number}: {end}" for number, end in enumerate(survey.films) if end]
    rows = [
        f"| {item.failure.film} | {item.failure.kind} | {item.at} | {item.why} | {item.went_on} | {item.seconds:.0f} |"
        for item in survey.struck
    ]
    return "\n".join(
        [
            f"## {survey.where}: {len(survey.lost)} failures of {survey.asked}, seed {seed}",
            "",
            f"onestory {__version__}, Python {platform.python_version()}, {platform.system()}; "
            f"{len(survey.films)} films of {len(SHOTS)} shots of {survey.steps} steps by the tiny model, "
            f"{WORKERS} workers, {survey.seconds:.0f} s; "
            f"{', '.join(f'{kind} {number} times' for kind, number in kinds.items())}.",
            "",
            "| film | failure | heard last | lost by | went on | after seconds |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            f"Films lost: {sum(end.startswith('it is') for end in survey.films)} of {len(survey.films)}. "
            f"Bit for bit as one process makes them: {survey.films.count('')} of {len(survey.films)}. "
            f"Steps made again although they were kept: {survey.again}.",
            *(f"- {item}" for item in wrong),
            "",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.batch.failures", description=__doc__)
    parser.add_argument("--count", type=int, default=10, metavar="N", help="how many failures (default: 10)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="which ones (default: 1)")
    parser.add_argument("--steps", type=int, default=100, metavar="N", help="steps of a shot (default: 100)")
    parser.add_argument("--local", action="store_true", help="processes of this machine instead of a Ray cluster")
    options = parser.parse_args(arguments)
    from onestory_cli.training.build import save_model
    from tests.tiny import tiny_built

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_model(tiny_built(), folder / "model")
        found = survey(folder, folder / "model", options.count, options.seed, steps=options.steps, local=options.local)
    sys.stdout.write(report(found, seed=options.seed))
    return int(not found.survived)


if __name__ == "__main__":
    sys.exit(main())
