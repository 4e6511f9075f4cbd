"""System calls that fail, tear or kill: `python -m tests.faults.strikes --strikes 300 --seed 1` prints a table.

A shim in C (`strikes.c`, loaded by LD_PRELOAD) strikes the k-th system call below a run directory. Unlike the harness
of `kills.py`, which overrides `Disk`, it also reaches reads, the lock and the media libraries.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from onestory_cli.errors import OnestoryError
from onestory_cli.planning.jobs import Plan
from onestory_cli.rendering.options import RenderOptions
from onestory_cli.rendering.render import render
from onestory_cli.rendering.takes import make_takes
from onestory_cli.store import prune
from onestory_cli.store.run import Run
from onestory_cli.store.take_query import find_take
from onestory_cli.store.takes import set_aside_takes
from onestory_cli.store.verify import find_damage
from onestory_cli.store.writer import lock_run
from tests.films import NumpyGenerator, change, latents_of, three_shots

SOURCE = Path(__file__).with_suffix(".c")
KILL, TORN = -1, -2
KINDS: Mapping[str, int] = {
    "kill": KILL,
    "torn write": TORN,
    **{
        errno.errorcode[number]: number
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EROFS, errno.EMFILE, errno.EINTR)
    },
}
PLAN = three_shots()
EDITED = change(PLAN, "return", resolved_caption="they meet again")
TAKES = RenderOptions(takes={"city": 3}, checkpoint_seconds=0)


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command and the run that it starts from: empty, or one with more takes. `plan` has the final story."""

    name: str
    run: Callable[[Path], object]
    fresh: bool = False
    plan: Plan = PLAN


def _accept(folder: Path) -> None:
    run = Run.open(folder)
    with lock_run(run) as writer:
        writer.accept("city", find_take(PLAN, run, "city", "0"), chosen=True)


def _prune(folder: Path) -> None:
    run = Run.open(folder)
    with lock_run(run) as writer:
        prune.remove(writer, prune.older_takes(run, 0))


COMMANDS = (
    Command(
        name="render",
        run=lambda folder: render(PLAN, Run.create(folder), NumpyGenerator, options=replace(TAKES, takes={})),
        fresh=True,
    ),
    Command(
        name="edit",
        run=lambda folder: render(EDITED, Run.open(folder), NumpyGenerator, options=replace(TAKES, takes={})),
        plan=EDITED,
    ),
    Command(name="take new", run=lambda folder: make_takes(PLAN, Run.open(folder), NumpyGenerator, shot="city")),
    Command(name="take accept", run=_accept),
    Command(name="prune", run=_prune),
)


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One strike and its end: "" if the run survived it."""

    command: str
    kind: str
    call: int
    end: str

    def __str__(self) -> str:
        return f"{self.command}, call {self.call}, {self.kind}"


def strikes(folder: Path, count: int, seed: int) -> Iterator[Strike]:
    """`count` strikes on commands, calls and kinds that are drawn at random; the shim must be loaded."""
    dice = random.Random(seed)
    base = folder / "base"
    render(PLAN, Run.create(base), NumpyGenerator, options=TAKES)
    calls = {command.name: _calls(command, base, folder / "count") for command in COMMANDS}
    expected = {command.name: _outcome(command, base, folder / "whole") for command in COMMANDS}
    for number in range(count):
        command = COMMANDS[number % len(COMMANDS)]
        kind, call = dice.choice(list(KINDS)), dice.randint(1, calls[command.name])
        place = _place(command, base, folder / "struck")
        end = _survive(command, place, call, KINDS[kind], expected[command.name])
        yield Strike(command=command.name, kind=kind, call=call, end=end)


def _place(command: Command, base: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    if not command.fresh:
        shutil.copytree(base, folder)
    return folder


def _calls(command: Command, base: Path, folder: Path) -> int:
    """How many system calls a command makes below its run directory."""
    reader, writer = os.pipe()
    place = _place(command, base, folder)
    child = os.fork()
    if not child:
        _arm(place, 0, 0)
        command.run(place)
        os.write(writer, str(_shim().strike_calls()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(reader, 32))


def _outcome(command: Command, base: Path, folder: Path) -> dict[str, str]:
    place = _place(command, base, folder)
    command.run(place)
    return _finished(command, place)


def _finished(command: Command, folder: Path) -> dict[str, str]:
    """The latents of the film after the command and a render of the final story."""
    render(command.plan, Run.create(folder), NumpyGenerator)
    return latents_of(folder)


def _survive(command: Command, folder: Path, call: int, kind: int, expected: Mapping[str, str]) -> str:
    status = _strike(command, folder, call, kind)
    if status not in (0, 3, -signal.SIGKILL):
        return f"it ended with {status}"
    if folder.exists() and (damages := find_damage(Run(folder))):
        return f"damaged: {', '.join(map(str, damages))}"
    if _finished(command, folder) != expected:
        return "another film"
    left = [path.name for path in folder.rglob("*") if path.name.startswith((".", "lock", "partial"))]
    left += [path.name for path in set_aside_takes(folder)]
    return f"left over: {', '.join(left)}" if left else ""


def _strike(command: Command, folder: Path, call: int, kind: int) -> int:
    """The exit status of a command that is struck: 3 after a coded error, negative for a signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 70
    try:
        _arm(folder, call, kind)
        command.run(folder)
        status = 0
    except OnestoryError:
        status = 3
    except BaseException:
        os.write(2, f"{command.name}, call {call}: {traceback.format_exc()}\n".encode())
    finally:
        os._exit(status)


def _shim() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def _arm(folder: Path, call: int, kind: int) -> None:
    _shim().strike_arm(str(folder).encode(), ctypes.c_long(call), ctypes.c_int(kind))


def report(found: list[Strike]) -> str:
    """A table of the strikes by command and kind, and the ends of those that were not survived."""
    count = Counter((strike.command, strike.kind) for strike in found)
    lines = [f"| command | {' | '.join(KINDS)} |", f"|---|{'---:|' * len(KINDS)}"]
    for command in COMMANDS:
        lines.append(f"| {command.name} | {' | '.join(str(count[command.name, kind]) for kind in KINDS)} |")
    lost = [f"- {strike}: {strike.end}" for strike in found if strike.end]
    return "\n".join([*lines, "", f"{len(found)} strikes, {len(lost)} not survived.", *lost])


def build(folder: Path) -> Path | None:
    """The compiled shim; None without a C compiler."""
    compiler = shutil.which("cc")
    library = folder / "strikes.so"
    if not compiler or sys.platform != "linux":
        return None
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strikes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        if not hasattr(_shim(), "strike_arm"):
            library = build(Path(folder))
            if library is None:
                parser.error("a C compiler on Linux is required")
            environment = {**os.environ, "LD_PRELOAD": str(library)}
            return subprocess.run(
                [sys.executable, "-m", "tests.faults.strikes", *sys.argv[1:]], env=environment
            ).returncode
        found = list(strikes(Path(folder), options.strikes, options.seed))
    sys.stdout.write(report(found) + "\n")
    return int(any(strike.end for strike in found))


if __name__ == "__main__":
    raise SystemExit(main())
