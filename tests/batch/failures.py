"""`python -m tests.batch.failures`: kill workers and remove nodes during a batch, compare its films, print a table.

Two workers render the films, on a local Ray cluster of two nodes or, with `--local`, in processes. Up to two failures
are injected per film. Every film must equal the film of one undisturbed process. The exit code is 1 if one does not, or
if fewer failures occurred than requested.
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
from tests.batch.films import holder_of, make_alone, plans_of, recomputed_steps
from tests.faults.kills import differences, outcome_of

SHOTS = ("opening", "return")
WORKERS = 2
MAX_PER_FILM = 2  # failures; after four lost workers a film fails
WORK = WorkerConfig(device="cpu", threads=1, share=WORKERS, checkpoint_seconds=0)

Remove = Callable[[int], None]


class Kind(StrEnum):
    KILL = "worker killed"
    NODE = "node removed"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Kill a film's worker after `steps` of its steps are saved (0: while the model loads), plus a delay in seconds."""

    film: int
    kind: Kind
    steps: int
    delay: float


@dataclass(kw_only=True)
class InjectedFailure:
    """An injected failure: the progress of the film, why the worker was lost, and where and when the film resumed."""

    failure: Failure
    at: str
    when: float
    why: str = ""
    resumed: str = ""
    seconds: float = 0.0


def draw_failures(count: int, rng: random.Random, *, steps: int, nodes: bool) -> list[Failure]:
    """Random failures of the films; with `nodes`, about a third of them removes a node."""
    kinds = [Kind.NODE if nodes and number % 3 == 1 else Kind.KILL for number in range(count)]
    rng.shuffle(kinds)
    failures: list[Failure] = []
    for film in range((count + MAX_PER_FILM - 1) // MAX_PER_FILM):
        # in the first half, because events lag behind a fast worker
        instants = sorted(rng.sample(range(1, len(SHOTS) * steps // 2), MAX_PER_FILM))
        if film == 0:
            instants[0] = 0
        failures += [
            Failure(film=film, kind=kinds.pop(), steps=at, delay=rng.random() / 10) for at in instants if kinds
        ]
    return failures


class FailureInjector:
    """Listens to a batch and injects failures. The next failure of a film waits until the film has resumed."""

    def __init__(self, plans: Sequence[PlannedFilm], failures: Sequence[Failure], remove: Remove) -> None:
        self._runs = {item.film.name: item.film.run for item in plans}
        self._due = {
            item.film.name: [failure for failure in failures if failure.film == number]
            for number, item in enumerate(plans)
        }
        self._remove = remove
        self._pending: dict[str, InjectedFailure] = {}  # by film, until it resumes
        self.injected: list[InjectedFailure] = []

    def __call__(self, event: Event) -> None:
        match event:
            case WorkerLost(film=film) if film in self._pending:
                self._pending[film].why = event.why
            case FilmTold(film=film, told=ShotStarted() as started) if (
                film in self._pending and self._pending[film].why
            ):
                injected = self._pending.pop(film)
                injected.resumed = f"{started.shot}, {started.goes_on or 'from its start'}"
                injected.seconds = time.monotonic() - injected.when
            case FilmTold(film=film) if film not in self._pending and self._due[film]:
                self._inject_if_due(film, event.told)

    def _inject_if_due(self, film: str, event: Event) -> None:
        failure = self._due[film][0]
        if saved_steps(event) >= failure.steps:
            del self._due[film][0]
            time.sleep(failure.delay)
            with suppress(FileNotFoundError):  # the film has ended
                self._inject(film, failure, holder_of(self._runs[film]), _place(event))

    def _inject(self, film: str, failure: Failure, worker: int, place: str) -> None:
        self._pending[film] = InjectedFailure(failure=failure, at=place, when=time.monotonic())
        self.injected.append(self._pending[film])
        if failure.kind is Kind.NODE:
            self._remove(worker)
        else:
            os.kill(worker, signal.SIGKILL)


def saved_steps(event: Event) -> int:
    """The number of saved steps of a film according to an event."""
    match event:
        case PartialKept():
            return SHOTS.index(event.shot) * event.steps + event.step
        case ShotStarted():
            return event.index * event.steps
        case _:
            return 0


def _place(event: Event) -> str:
    match event:
        case PartialKept():
            return f"{event.shot}, step {event.step} of {event.steps}"
        case ShotStarted():
            return f"{event.shot} starts"
        case _:
            return "loading the model"


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The result: "" or the fault of each film, and the number of saved steps that were computed again (`again`)."""

    where: str
    steps: int
    requested: int
    injected: Sequence[InjectedFailure]
    films: Sequence[str]
    again: int
    seconds: float

    @property
    def survived(self) -> bool:
        return len(self.lost) == self.requested and not any(self.films) and not self.again

    @property
    def lost(self) -> list[InjectedFailure]:
        """The failures that cost a worker."""
        return [item for item in self.injected if item.why]


def survey(folder: Path, model: Path, count: int, seed: int, *, steps: int, local: bool) -> Survey:
    """Render films with failures and without, and compare them."""
    failures = draw_failures(count, random.Random(seed), steps=steps, nodes=not local)
    films = 1 + max(failure.film for failure in failures)
    plans = plans_of(folder, model, films=films, steps=steps, out="failures")
    start = time.monotonic()
    with workers(plans[0].film.run.parent, local=local) as (backend, remove):
        injector = FailureInjector(plans, failures, remove)
        result = run_batch(plans, plans[0].film.run.parent, backend, injector)
    seconds = time.monotonic() - start
    alone = plans_of(folder, model, films=films, steps=steps, out="alone")
    make_alone(alone)
    ends = [
        _end(row.outcome.state, one.film.run, other.film.run)
        for row, one, other in zip(result.rows, plans, alone, strict=True)
    ]
    again = sum(recomputed_steps(item.film.run) for item in plans)
    return Survey(
        where=backend.where,
        steps=steps,
        requested=count,
        injected=injector.injected,
        films=ends,
        again=again,
        seconds=seconds,
    )


@contextmanager
def workers(out: Path, *, local: bool) -> Iterator[tuple[Backend, Remove]]:
    """Two workers, and a function that removes the node of one."""
    if local:
        from onestory_cli.batch.local_workers import LocalPool

        yield Backend(where="local", workers=WORKERS, open_pool=lambda: LocalPool(WORK)), lambda worker: None
        return
    from onestory_cli.batch.ray_workers import on_ray
    from tests.batch.nodes import two_nodes

    with two_nodes() as nodes:
        connect = lambda: on_ray(nodes.address, WORK, WORKERS, out)  # noqa: E731
        yield Backend(where="ray", workers=WORKERS, open_pool=connect), nodes.remove


def _end(state: str, disturbed: Path, alone: Path) -> str:
    if state != "done":
        return f"it is {state}"
    expected, found = outcome_of(alone), outcome_of(disturbed)
    return "" if found == expected else f"differs: {differences(expected, found)}"


def report(survey: Survey, *, seed: int) -> str:
    """A row per failure, and the results of the films."""
    kinds = Counter(item.failure.kind for item in survey.lost)
    wrong = [f"film {number}: {end}" for number, end in enumerate(survey.films) if end]
    rows = [
        f"| {item.failure.film} | {item.failure.kind} | {item.at} | {item.why} | {item.resumed} | {item.seconds:.0f} |"
        for item in survey.injected
    ]
    return "\n".join(
        [
            f"## {survey.where}: {len(survey.lost)} failures of {survey.requested}, seed {seed}",
            "",
            f"onestory {__version__}, Python {platform.python_version()}, {platform.system()}; "
            f"{len(survey.films)} films of {len(SHOTS)} shots of {survey.steps} steps, tiny model, "
            f"{WORKERS} workers, {survey.seconds:.0f} s; "
            f"{', '.join(f'{kind} {number} times' for kind, number in kinds.items())}.",
            "",
            "| film | failure | last event | cause | resumed | after seconds |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            f"Films lost: {sum(end.startswith('it is') for end in survey.films)} of {len(survey.films)}. "
            f"Byte-identical to one process: {survey.films.count('')} of {len(survey.films)}. "
            f"Saved steps that were computed again: {survey.again}.",
            *(f"- {item}" for item in wrong),
            "",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.batch.failures", description=__doc__)
    parser.add_argument("--count", type=int, default=10, metavar="N", help="number of failures (default: 10)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="seed of the failures (default: 1)")
    parser.add_argument("--steps", type=int, default=100, metavar="N", help="steps per shot (default: 100)")
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
