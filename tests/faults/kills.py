"""One kill: a render in a process of its own that dies by SIGKILL, what it leaves, and the way on.

Nothing is simulated. The process dies before an operation of the store, halfway through a write of it, or whenever its
parent strikes; it keeps a partial after every step, so that there is much to be caught in the middle of.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from onestory_cli.media.video import read_clip
from onestory_cli.render import render
from onestory_cli.store.files import Disk
from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from tests.faults.films import Film


class Kind(StrEnum):
    OPERATION = "before an operation of the store"
    HALF = "halfway through a write"
    TWICE = "before an operation, and again while resuming"
    INSTANT = "at a random instant"


@dataclass(frozen=True, kw_only=True)
class Kill:
    """When to strike: before the operation or in the write of these numbers, or after this part of the whole time."""

    kind: Kind
    at: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.kind} ({', '.join(f'{at:g}' for at in self.at)})"


@dataclass(frozen=True, kw_only=True)
class Whole:
    """An uninterrupted run: what it came to, its operations of the store, writes among them, and its seconds."""

    outcome: dict[str, str]
    operations: int
    writes: int
    seconds: float


class CountingDisk(Disk):
    """Counts what it does."""

    def __init__(self) -> None:
        self.operations, self.writes = 0, 0

    def step(self, operation: str, path: Path) -> None:
        self.operations += 1
        self.writes += operation == "write"


class DeadlyDisk(Disk):
    """Kills its process before the operation of this number."""

    def __init__(self, number: float) -> None:
        self.left = number

    def step(self, operation: str, path: Path) -> None:
        if self.left == 0:
            die()
        self.left -= 1


class HalfDisk(Disk):
    """Kills its process when half of the bytes of the write of this number are written."""

    def __init__(self, number: float) -> None:
        self.left = number

    def write(self, path: Path, data: bytes) -> None:
        if self.left == 0:
            path.write_bytes(data[: len(data) // 2])
            die()
        self.left -= 1
        super().write(path, data)


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def measure(film: Film, folder: Path) -> Whole:
    """Render the film without a fault."""
    disk, began = CountingDisk(), time.monotonic()
    reader, writer = os.pipe()
    child = start(film, folder, disk, lambda: os.write(writer, f"{disk.operations} {disk.writes}".encode()))
    assert end_of(child) == 0, "the render failed without a fault"
    seconds = time.monotonic() - began
    operations, writes = map(int, os.read(reader, 99).split())
    os.close(reader)
    os.close(writer)
    return Whole(outcome=outcome_of(folder), operations=operations, writes=writes, seconds=seconds)


def choose_kills(whole: Whole, count: int, dice: random.Random) -> Iterator[Kill]:
    """Half of the kills before operations, each of them once while they last; the rest in equal parts."""
    operations = dice.sample(range(whole.operations), min(whole.operations, count - count // 2))
    yield from (Kill(kind=Kind.OPERATION, at=(k,)) for k in sorted(operations))
    rest = count - len(operations)
    yield from (Kill(kind=Kind.HALF, at=(dice.randrange(whole.writes),)) for _ in range(rest // 3))
    for _ in range(rest // 3):
        first = dice.randrange(whole.operations)
        # a resume has fewer operations left; one that is never reached would be no kill
        yield Kill(kind=Kind.TWICE, at=(first, dice.randrange(max(1, min(6, whole.operations - first)))))
    yield from (Kill(kind=Kind.INSTANT, at=(dice.random(),)) for _ in range(rest - 2 * (rest // 3)))


def survives(film: Film, whole: Whole, folder: Path, kill: Kill) -> str:
    """Kill a render into `folder` and go on: "same", "ended before" where it was too late to kill, or what is wrong."""
    late = False
    for at in kill.at:
        status = strike(film, whole, folder, kill.kind, at)
        late = late or status == 0
        if status not in (0, -signal.SIGKILL):
            return f"it ended with {status}"
        if damages := find_damage(Run(folder)):
            return f"damaged: {', '.join(map(str, damages))}"
    if end_of(start(film, folder, Disk())) != 0:
        return "it does not resume"
    outcome = outcome_of(folder)
    if outcome != whole.outcome:
        return f"differs: {', '.join(name for name in whole.outcome if outcome.get(name) != whole.outcome[name])}"
    if leftovers := [path.name for path in folder.rglob("*") if path.name.startswith((".", "lock", "partial"))]:
        return f"left over: {', '.join(leftovers)}"
    return "ended before" if late else "same"


def strike(film: Film, whole: Whole, folder: Path, kind: Kind, at: float) -> int:
    """Render in a child that dies; its exit status, negative for a signal."""
    if kind is not Kind.INSTANT:
        return end_of(start(film, folder, HalfDisk(at) if kind is Kind.HALF else DeadlyDisk(at)))
    child = start(film, folder, Disk())
    time.sleep(at * whole.seconds)
    os.kill(child, signal.SIGKILL)
    return end_of(child)


def start(film: Film, folder: Path, disk: Disk, at_end: Callable[[], object] = lambda: None) -> int:
    """The id of a child process that renders the film."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        render(film.plan, Run.create(folder, disk), film.load, checkpoint_seconds=0)
        at_end()
        status = 0
    finally:
        os._exit(status)


def end_of(child: int) -> int:
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def outcome_of(folder: Path) -> dict[str, str]:
    """What a run came to: the bytes of its state and of its latents, and every decoded frame. No times are in these."""
    run = Run.open(folder)
    state = run.state()
    assert state is not None
    outcome = {name: _digest((folder / name).read_bytes()) for name in ("run.json", "story.yaml")}
    for shot, entry in state.shots.items():
        take = folder / "shots" / entry.folder
        outcome[f"latents of {shot}"] = _digest((take / "latents.safetensors").read_bytes())
        outcome[f"frames of {shot}"] = _digest(read_clip(take / "clip.mp4").tobytes())
    outcome["frames of the film"] = _digest(read_clip(run.film).tobytes())
    return outcome


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
