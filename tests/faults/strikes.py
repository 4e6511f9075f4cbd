"""System calls that fail, tear or kill, and kills at random instants, over all commands that write.

`python -m tests.faults.strikes --strikes 300 --kills 100 --seed 1` prints a table. A shim in C (`strikes.c`, loaded by
LD_PRELOAD) strikes the k-th system call below a workspace. Unlike the harness of `kills.py`, which overrides `Disk`, it
also reaches reads, the lock and the media libraries.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import mmap
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from onestory_cli.errors import ExitCode
from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from tests.faults.review_command import REVIEW
from tests.faults.workspace import (
    COMMANDS,
    CommandLine,
    copy_workspace,
    digests_of,
    install_arithmetic,
    make_workspace,
    memory_folder,
)

SOURCE = Path(__file__).with_suffix(".c")
KILL, TORN = -1, -2
INSTANT = "kill at an instant"
KINDS: Mapping[str, int] = {
    "kill": KILL,
    "torn write": TORN,
    **{
        errno.errorcode[number]: number
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EROFS, errno.EMFILE, errno.EINTR)
    },
}
ATTACKED: tuple[CommandLine, ...] = (*COMMANDS, REVIEW)
PRECIOUS = ("film.story.yaml", "edited.story.yaml", "captions.srt", "footage/a.mp4", "model/onestory.json")


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One strike and its end: "" if nothing was lost. `call` is the number of a system call, or a share of the time.

    It is not `reached` if the command ended before it, as some commands do that make fewer calls than the first time.
    """

    command: str
    kind: str
    call: float
    end: str
    reached: bool = True

    def __str__(self) -> str:
        return f"{self.command}, {'at' if self.kind == INSTANT else 'call'} {self.call:g}, {self.kind}"


@dataclass(kw_only=True)
class Measured:
    """A command without a strike: its system calls, its processor seconds, and the result of the finished work.

    `results` has the results that are right: with the command's change, and without it.
    """

    calls: int
    seconds: float
    results: list[Any] = field(default_factory=list)
    precious: list[dict[str, bytes]] = field(default_factory=list)  # before and after the command


class Harness:
    """Strikes commands in copies of one workspace below `folder`. The shim must be loaded."""

    def __init__(self, folder: Path, commands: tuple[CommandLine, ...] = ATTACKED) -> None:
        install_arithmetic()
        self._base, self._place, self.commands = folder / "base", folder / "w", commands
        make_workspace(self._base)
        self._measured = {command.name: self._measure(command) for command in commands}

    def strikes(self, count: int, seed: int) -> Iterator[Strike]:
        """`count` strikes on commands, kinds and calls that are drawn at random."""
        dice = random.Random(seed)
        for number in range(count):
            command = self.commands[number % len(self.commands)]
            kind, call = dice.choice(list(KINDS)), dice.randint(1, self._measured[command.name].calls)
            yield self._strike(command, kind, call)

    def kills(self, count: int, seed: int) -> Iterator[Strike]:
        """`count` kills at random instants."""
        dice = random.Random(seed)
        for number in range(count):
            command = self.commands[number % len(self.commands)]
            yield self._strike(command, INSTANT, round(dice.random(), 3))

    def _measure(self, command: CommandLine) -> Measured:
        place = copy_workspace(self._base, self._place, command)
        command.run_finish(place)
        before = command.result(place)
        place = copy_workspace(self._base, self._place, command)
        done = _in_child(command, place)
        assert done.status == 0, f"{command.name} ends with {done.status}: {done.messages}"
        command.run_finish(place)
        results, precious = [command.result(place), before], [_precious(self._base), _precious(place)]
        return Measured(calls=done.calls, seconds=done.seconds, results=results, precious=precious)

    def _strike(self, command: CommandLine, kind: str, call: float) -> Strike:
        place = copy_workspace(self._base, self._place, command)
        before = digests_of(place, accepted=command.removes)
        if kind == INSTANT:
            done = _in_child(command, place, end=max(1e-6, call * self._measured[command.name].seconds))
        else:
            done = _in_child(command, place, int(call), KINDS[kind])
        end = self._end(command, place, done, before)
        shown = " ".join((_traceback(done.messages) or done.messages).split())[-300:] if end else ""
        reached = done.killed or (kind != INSTANT and done.calls >= call)
        end = f"{end} ({shown})" if shown else end
        return Strike(command=command.name, kind=kind, call=call, end=end, reached=reached)

    def _end(self, command: CommandLine, place: Path, done: ChildEnd, before: set[str]) -> str:
        """What is wrong after a strike, and after finishing the work; "" if nothing is."""
        if not done.killed and (done.status < 0 or done.status == ExitCode.BUG):
            return f"it ended with {done.status}"
        now, allowed = _precious(place), self._measured[command.name].precious
        if changed := [name for name in PRECIOUS if all(now[name] != version[name] for version in allowed)]:
            return f"changed: {', '.join(changed)}"
        runs = [*place.glob("*.run"), *place.glob("out/*-*")]
        if damages := [damage for run in runs for damage in find_damage(Run(run))]:
            return f"damaged: {', '.join(map(str, damages))}"
        if lost := before - digests_of(place, accepted=False):
            return f"lost {len(lost)} takes"
        exit, messages = command.run_finish(place)
        if exit is not ExitCode.DONE:
            return f"it does not finish: {messages}"
        if command.result(place) not in self._measured[command.name].results:
            return "another result"
        left = [path.name for path in place.rglob("*") if path.name.startswith((".", "lock", "partial"))]
        return f"left over: {', '.join(left)}" if left else ""


@dataclass(frozen=True, kw_only=True)
class ChildEnd:
    """How a child ended: its exit status, negative for a signal, its messages, its processor seconds, and its system
    calls if it lived.
    """

    status: int
    messages: str
    calls: int
    seconds: float

    @property
    def killed(self) -> bool:
        """Whether a strike killed the child while it was running."""
        return self.status in (-signal.SIGKILL, -signal.SIGPROF)


def _in_child(command: CommandLine, place: Path, call: int = 0, kind: int = 0, end: float = 0) -> ChildEnd:
    """Run a command in a child that is struck at a system call, or killed after `end` seconds of processor time.

    The timer's signal ends the process at once, as SIGKILL does. Processor time makes the instant independent of the
    load of the machine.
    """
    reader, writer = os.pipe()
    calls = mmap.mmap(-1, 8)
    child = os.fork()
    if not child:
        status = int(ExitCode.BUG)
        try:
            _arm(place, call, kind)
            signal.setitimer(signal.ITIMER_PROF, end)
            exit, messages = command.run(place)
            signal.setitimer(signal.ITIMER_PROF, 0)
            calls[:] = _shim().strike_calls().to_bytes(8, "little")
            os.write(writer, messages.encode()[-4000:])
            status = int(exit)
        except BaseException as fault:
            os.write(writer, repr(fault).encode()[-4000:])
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        messages = pipe.read().decode(errors="replace")
    _, code, usage = os.wait4(child, 0)
    return ChildEnd(
        status=os.waitstatus_to_exitcode(code),
        messages=messages,
        calls=int.from_bytes(calls[:], "little"),
        seconds=usage.ru_utime + usage.ru_stime,
    )


def _precious(folder: Path) -> dict[str, bytes]:
    """The files that no command may harm."""
    return {name: (folder / name).read_bytes() for name in PRECIOUS}


def _traceback(messages: str) -> str:
    """The text of the report file that the message about a bug names; the file is removed."""
    found = re.search(r"attach (\S+\.txt)", messages)
    if not found:
        return ""
    file = Path(found[1])
    text = file.read_text()
    file.unlink()
    return text


def _shim() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def _arm(folder: Path, call: int, kind: int) -> None:
    _shim().strike_arm(str(folder).encode(), ctypes.c_long(call), ctypes.c_int(kind))


def report(found: list[Strike]) -> str:
    """A table of the strikes by command and kind, and the ends of those that were not survived."""
    hits = [strike for strike in found if strike.reached or strike.end]
    kinds = [kind for kind in (*KINDS, INSTANT) if any(strike.kind == kind for strike in hits)]
    count = Counter((strike.command, strike.kind) for strike in hits)
    lines = [f"| command | {' | '.join(kinds)} |", f"|---|{'---:|' * len(kinds)}"]
    for command in ATTACKED:
        lines.append(f"| {command.name} | {' | '.join(str(count[command.name, kind]) for kind in kinds)} |")
    lost = [f"- {strike}: {strike.end}" for strike in hits if strike.end]
    late = len(found) - len(hits)
    ends = f"{len(hits)} strikes, {len(lost)} not survived; {late} more came after the end of the command."
    return "\n".join([*lines, "", ends, *lost])


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
    parser.add_argument("--kills", type=int, default=0, help="kills at random instants")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60, help="stop after this time")
    parser.add_argument("--only", action="append", metavar="COMMAND", help="strike only this command; repeatable")
    parser.add_argument("--save", type=Path, metavar="FILE", help="append the strikes; the table counts all in it")
    options = parser.parse_args()
    with memory_folder() as folder:
        if not hasattr(_shim(), "strike_arm"):
            library = build(folder)
            if library is None:
                parser.error("a C compiler on Linux is required")
            environment = {**os.environ, "LD_PRELOAD": str(library)}
            return subprocess.run(
                [sys.executable, "-m", "tests.faults.strikes", *sys.argv[1:]], env=environment
            ).returncode
        commands = tuple(item for item in ATTACKED if not options.only or item.name in options.only)
        harness, found = Harness(folder, commands), list[Strike]()
        began = time.monotonic()
        for strike in chain(harness.strikes(options.strikes, options.seed), harness.kills(options.kills, options.seed)):
            found.append(strike)
            if options.save:
                with options.save.open("a") as file:
                    file.write(json.dumps(asdict(strike)) + "\n")
            if strike.end:
                sys.stderr.write(f"{strike}: {strike.end}\n")
            if time.monotonic() - began > 60 * options.minutes:
                break
    lost = any(strike.end for strike in found)
    if options.save:
        found = [Strike(**json.loads(line)) for line in options.save.read_text().splitlines()]
    sys.stdout.write(report(found) + "\n")
    return int(lost)


if __name__ == "__main__":
    raise SystemExit(main())
