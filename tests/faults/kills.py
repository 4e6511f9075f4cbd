"""One kill: a render in its own process dies by SIGKILL, is checked for damage, and is resumed.

The process dies before an operation of the store, halfway through a write, or when its parent kills it. It saves a
partial after every step, so that there are many operations to interrupt.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from onestory_cli.media.video import read_clip
from onestory_cli.rendering.render import RenderOptions, render
from onestory_cli.store.disk import Disk
from onestory_cli.store.layout import STATE, STORY
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
    """When to kill: before the operation or in the write of a name, or at a share of the whole time; a second value is
    the number of the operation of the resumed render before which to kill again.
    """

    kind: Kind
    at: tuple[str | float, ...]

    def __str__(self) -> str:
        return f"{self.kind} ({'; '.join(f'{at:g}' if isinstance(at, float) else str(at) for at in self.at)})"


@dataclass(frozen=True, kw_only=True)
class Whole:
    """An uninterrupted run: its outcome, the names of its operations of the store, and its seconds."""

    outcome: dict[str, str]
    operations: tuple[str, ...]
    seconds: float

    @property
    def writes(self) -> tuple[str, ...]:
        return tuple(name for name in self.operations if name.startswith("write "))


class NamingDisk(Disk):
    """Gives every operation a name that it has in each run, whichever thread comes first: "write run.json, 2"."""

    def __init__(self, run: Path) -> None:
        self.run, self.names = run, list[str]()
        self._seen, self._lock = Counter[str](), threading.Lock()

    def step(self, operation: str, path: Path) -> None:
        with self._lock:
            name = f"{operation} {re.sub(r'^.staging-[^/]*', '.staging', str(path.relative_to(self.run)))}"
            self._seen[name] += 1
            self.names.append(f"{name}, {self._seen[name]}")
            self.named(self.names[-1], path)

    def named(self, name: str, path: Path) -> None:
        """Called before the operation."""


class DeadlyDisk(NamingDisk):
    """Kills its process before the operation of this name or number."""

    def __init__(self, run: Path, at: str | float) -> None:
        super().__init__(run)
        self._at = at

    def named(self, name: str, path: Path) -> None:
        if self._at in (name, len(self.names) - 1):
            die()


class HalfDisk(NamingDisk):
    """Kills its process when half of the bytes of the write of this name are written."""

    def __init__(self, run: Path, at: str | float) -> None:
        super().__init__(run)
        self._at, self._path = at, Path()

    def named(self, name: str, path: Path) -> None:
        if name == self._at:
            self._path = path

    def write(self, path: Path, data: bytes) -> None:
        with self.change("write", path):
            path.write_bytes(data[: len(data) // 2])
            if path == self._path:
                die()
            path.write_bytes(data)


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def measure(film: Film, folder: Path) -> Whole:
    """Render the film without a fault."""
    disk, began = NamingDisk(folder), time.monotonic()
    reader, writer = os.pipe()
    child = start(film, folder, disk, lambda: os.write(writer, "\n".join(disk.names).encode()))
    assert end_of(child) == 0, "the render failed without a fault"
    seconds = time.monotonic() - began
    names = os.read(reader, 1 << 16).decode().split("\n")
    os.close(reader)
    os.close(writer)
    return Whole(outcome=outcome_of(folder), operations=tuple(names), seconds=seconds)


def choose_kills(whole: Whole, count: int, dice: random.Random) -> Iterator[Kill]:
    """Half of the kills before operations, each of them once while they last; the rest in equal parts."""
    struck = dice.sample(range(len(whole.operations)), min(len(whole.operations), count - count // 2))
    yield from (Kill(kind=Kind.OPERATION, at=(whole.operations[k],)) for k in sorted(struck))
    rest = count - len(struck)
    yield from (Kill(kind=Kind.HALF, at=(dice.choice(whole.writes),)) for _ in range(rest // 3))
    for _ in range(rest // 3):
        first = dice.randrange(len(whole.operations))
        # a resume has fewer operations left; one that is never reached would be no kill
        again = dice.randrange(max(1, min(6, len(whole.operations) - first)))
        yield Kill(kind=Kind.TWICE, at=(whole.operations[first], again))
    yield from (Kill(kind=Kind.INSTANT, at=(dice.random(),)) for _ in range(rest - 2 * (rest // 3)))


def early_pairs(whole: Whole, first: int) -> Iterator[Kill]:
    """Before each of the first operations, and again before each of the first ones of the resume."""
    for name in whole.operations[:first]:
        yield from (Kill(kind=Kind.TWICE, at=(name, again)) for again in range(first))


def survives(film: Film, whole: Whole, folder: Path, kill: Kill) -> str:
    """Kill a render into `folder` and resume it: "same", "ended before" if the kill came too late, or what is wrong."""
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
        return f"differs: {differences(whole.outcome, outcome)}"
    if leftovers := [path.name for path in folder.rglob("*") if path.name.startswith((".", "lock", "partial"))]:
        return f"left over: {', '.join(leftovers)}"
    return "ended before" if late else "same"


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """The names of what differs, and the lines of run.json that do."""
    names = [name for name in expected if found.get(name) != expected[name]]
    lines = difflib.ndiff(expected[STATE].splitlines(), found.get(STATE, "").splitlines())
    return "; ".join([", ".join(names), *(line for line in lines if line[0] in "+-")])


def strike(film: Film, whole: Whole, folder: Path, kind: Kind, at: str | float) -> int:
    """Render in a child that dies; its exit status, negative for a signal."""
    if kind is not Kind.INSTANT:
        return end_of(start(film, folder, HalfDisk(folder, at) if kind is Kind.HALF else DeadlyDisk(folder, at)))
    child = start(film, folder, Disk())
    time.sleep(float(at) * whole.seconds)
    os.kill(child, signal.SIGKILL)
    return end_of(child)


def start(film: Film, folder: Path, disk: Disk, at_end: Callable[[], object] = lambda: None) -> int:
    """The id of a child process that renders the film."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        render(film.plan, Run.create(folder, disk), film.load, options=RenderOptions(checkpoint_seconds=0))
        at_end()
        status = 0
    finally:
        os._exit(status)


def end_of(child: int) -> int:
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def outcome_of(folder: Path) -> dict[str, str]:
    """The outcome of a run: its state, and digests of its latents and of every decoded frame; no times."""
    run = Run.open(folder)
    state = run.state()
    assert state is not None
    outcome = {STATE: (folder / STATE).read_text(), STORY: (folder / STORY).read_text()}
    for shot, entry in state.shots.items():
        take = folder / "shots" / entry.folder
        outcome[f"latents of {shot}"] = _digest((take / "latents.safetensors").read_bytes())
        outcome[f"frames of {shot}"] = _digest(read_clip(take / "clip.mp4").tobytes())
    outcome["frames of the film"] = _digest(read_clip(run.film).tobytes())
    return outcome


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
