"""A worker that shares nothing with the batch but a file system: it is asked to stop by a file."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onestory_cli.batch.render_story import Models, Work, render_story
from onestory_cli.batch.result import Outcome
from onestory_cli.errors import ExitCode, OnestoryError

STOP = ".stop"
SECONDS_TO_DIE = 60.0  # for a worker that is given up, as nothing is heard of it, and still holds its film


class Away:
    """Makes films one after the other with one model; lives in a process of another's, on any machine."""

    def __init__(self, work: Work) -> None:
        self._work, self._models = work, Models(work)

    def who(self) -> tuple[int, str]:
        """(pid, host), as they stand in the locks that it holds."""
        return os.getpid(), socket.gethostname()

    def render(self, directory: Path, stop: Path, *, again: bool = False) -> Outcome:
        """Go on with a film until it ends or there is a file at `stop`; `again`: another worker was lost with it."""
        until = time.monotonic() + (SECONDS_TO_DIE if again else 0.0)
        while True:
            outcome = self._render(directory, stop)
            if outcome.code != "R401" or time.monotonic() >= until or stop.exists():
                return outcome
            time.sleep(1.0)

    def _render(self, directory: Path, stop: Path) -> Outcome:
        return render_story(directory, self._models, stop=stop.exists, checkpoint_seconds=self._work.checkpoint_seconds)


@contextmanager
def stop_file(out: Path) -> Iterator[Path]:
    """Where a file means stop, for the length of a block; one that was left there is gone."""
    path = out.absolute() / STOP
    path.unlink(missing_ok=True)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def not_installed(package: str, what: str) -> OnestoryError:
    """M514 for a package that one kind of worker needs."""
    help = f"pip install 'onestory[{package}]'"
    return OnestoryError("M514", f"{what} needs the package {package}", help=help, exit=ExitCode.MACHINE)


def no_workers(why: object) -> OnestoryError:
    """B804 for a cluster that cannot be reached or used."""
    help = "see that it runs and that this machine reaches it, or leave it out to work here"
    return OnestoryError("B804", f"no worker can be had: {why}", help=help, exit=ExitCode.MACHINE)
