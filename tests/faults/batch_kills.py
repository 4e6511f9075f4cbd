"""Kill the processes of a batch at random instants: a worker, the parent, or both. Then finish it and compare.

`python -m tests.faults.batch_kills --kills 100 --seed 1` prints a table. The workers are real processes with an
arithmetic model. `python -m tests.batch.failures` does the same with a tiny model, and on a Ray cluster.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from tests.faults.batch_workers import install_slow_arithmetic, start_batch
from tests.faults.workspace import COMMANDS, copy_workspace, films_of_batch, make_workspace, memory_folder

TARGETS = ("worker", "parent", "both")
FILMS = 4
HANG_SECONDS = 120
RERUNS = 3  # a worker that survives its parent for a step may hold a lock when the batch starts again
BATCH = next(command for command in COMMANDS if command.name == "batch")


@dataclass(frozen=True, kw_only=True)
class BatchKill:
    """A kill at a share of the duration of the batch, and its end: "" if nothing was lost.

    It `missed` if the batch had ended, or had no workers yet, and does not count.
    """

    target: str
    share: float
    end: str
    missed: bool = False

    def __str__(self) -> str:
        return f"{self.target} at {self.share:g}: {self.end}"


class BatchHarness:
    """Kills batches in copies of one workspace below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._base, self._place = folder / "base", folder / "w"
        install_slow_arithmetic()
        folder.mkdir(exist_ok=True)
        make_workspace(self._base)
        story = (self._base / "film.story.yaml").read_text()
        for number in range(2, FILMS):
            (self._base / f"film{number}.story.yaml").write_text(story.replace("night", f"night {number}"))
        place, began = copy_workspace(self._base, self._place, BATCH), time.monotonic()
        assert wait_for(start_batch(place)) == 0, (place / "log").read_text()
        self.seconds, self._result = time.monotonic() - began, films_of_batch(place)

    def kills(self, count: int, seed: int) -> Iterator[BatchKill]:
        """Kills of a worker, the parent and both in turn, until `count` of them hit."""
        dice, hits, number = random.Random(seed), 0, 0
        while hits < count:
            kill = self._kill(TARGETS[number % len(TARGETS)], round(dice.random(), 3), dice)
            hits, number = hits + (not kill.missed), number + 1
            yield kill

    def _kill(self, target: str, share: float, dice: random.Random) -> BatchKill:
        place = copy_workspace(self._base, self._place, BATCH)
        batch = start_batch(place)
        time.sleep(share * self.seconds)
        workers = children_of(batch)
        missed = _has_ended(batch) or (target != "parent" and not workers)
        if not missed:
            victims = [dice.choice(workers)] if target != "parent" else []
            for victim in [*victims, *([batch] if target != "worker" else [])]:
                os.kill(victim, signal.SIGKILL)
        end = self._finish(batch, place, reruns=0 if target == "worker" else RERUNS)
        if not end and (orphans := [worker for worker in workers if not _ends(worker)]):
            end = f"workers {orphans} do not end"
        return BatchKill(target=target, share=share, end=end, missed=missed)

    def _finish(self, batch: int, place: Path, *, reruns: int) -> str:
        """Wait for the batch, and run it again if it was killed: what is wrong afterwards."""
        for left in range(reruns, -1, -1):
            status = wait_for(batch)
            if status is None:
                return "it does not end"
            if damages := [damage for run in _runs(place) for damage in find_damage(Run(run))]:
                return f"damaged: {', '.join(map(str, damages))}"
            if status == 0:
                break
            if not left:
                return f"it ended with {status}: {' '.join((place / 'log').read_text().split())[-300:]}"
            batch = start_batch(place)
        if films_of_batch(place) != self._result:
            return "another result"
        files = [path.name for run in _runs(place) for path in run.rglob("*")]
        left_over = [name for name in files if name.startswith((".", "lock", "partial"))]
        return f"left over: {', '.join(left_over)}" if left_over else ""


def _runs(place: Path) -> list[Path]:
    return [path.parent for path in place.glob("out/*/run.json")]


def children_of(parent: int) -> list[int]:
    """The processes that a process has started: the workers of a batch."""
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return []


def wait_for(process: int) -> int | None:
    """The exit status of a child, negative for a signal; None and a kill if it does not end."""
    end = time.monotonic() + HANG_SECONDS
    while time.monotonic() < end:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def _has_ended(process: int) -> bool:
    """Whether a child has ended; it is not reaped."""
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _ends(process: int) -> bool:
    """Whether a process that is not a child ends in time; it is killed otherwise."""
    end = time.monotonic() + HANG_SECONDS
    while time.monotonic() < end:
        if _state(process) in ("", "Z"):
            return True
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    return False


def _state(process: int) -> str:
    """The state of a process, "Z" for a zombie; "" if it does not exist."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def report(found: Sequence[BatchKill]) -> str:
    """A table of the kills that hit, and those that were not survived."""
    hits = [kill for kill in found if not kill.missed]
    count = Counter(kill.target for kill in hits)
    lost = [f"- {kill}" for kill in found if kill.end]
    rows = [f"| {target} | {count[target]} |" for target in TARGETS]
    ends = f"{len(hits)} kills, {len(lost)} not survived; {len(found) - len(hits)} more missed."
    return "\n".join(["| killed | count |", "|---|---:|", *rows, "", ends, *lost])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60, help="stop after this time")
    options = parser.parse_args()
    found, began = list[BatchKill](), time.monotonic()
    with memory_folder() as folder:
        harness = BatchHarness(folder)
        for kill in harness.kills(options.kills, options.seed):
            found.append(kill)
            if kill.end:
                sys.stderr.write(f"{kill}\n")
            if time.monotonic() - began > 60 * options.minutes:
                break
    sys.stdout.write(report(found) + "\n")
    return int(any(kill.end for kill in found))


if __name__ == "__main__":
    raise SystemExit(main())
