"""Worker that shares only a file system with the batch; a file tells it to stop."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onestory_cli.batch.render_story import ModelCache, WorkerConfig, render_story
from onestory_cli.batch.result import Outcome
from onestory_cli.errors import ExitCode, OnestoryError

STOP = ".stop"
LOCK_WAIT_SECONDS = 60.0  # for a worker presumed dead that still holds the lock of the film


class RemoteWorker:
    """Renders one film after another and keeps the model loaded. Runs inside a Ray actor or Slurm job."""

    def __init__(self, work: WorkerConfig) -> None:
        self._work, self._models = work, ModelCache(work)

    def identity(self) -> tuple[int, str]:
        """(pid, host), as written into the locks that it holds."""
        return os.getpid(), socket.gethostname()

    def render(self, directory: Path, stop: Path, *, again: bool = False) -> Outcome:
        """Render until the film ends or the file `stop` exists. `again`: the previous worker died with this film."""
        until = time.monotonic() + (LOCK_WAIT_SECONDS if again else 0.0)
        while True:
            outcome = self._render(directory, stop)
            if outcome.code != "R401" or time.monotonic() >= until or stop.exists():
                return outcome
            time.sleep(1.0)

    def _render(self, directory: Path, stop: Path) -> Outcome:
        return render_story(
            directory,
            self._models,
            stop=stop.exists,
            checkpoint_seconds=self._work.checkpoint_seconds,
            keep_original=self._work.keep_original,
        )


@contextmanager
def stop_file(out: Path) -> Iterator[Path]:
    """Path of the stop file of a batch; absent at the start of the block and after it."""
    path = out.absolute() / STOP
    path.unlink(missing_ok=True)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def missing_package(package: str, what: str) -> OnestoryError:
    """M514: an optional package is not installed."""
    help = f"pip install 'onestory[{package}]'"
    return OnestoryError("M514", f"{what} needs the package {package}", help=help, exit=ExitCode.MACHINE)


def no_worker_error(why: object) -> OnestoryError:
    """B804: a cluster cannot be reached or used."""
    help = "check that the cluster runs and is reachable, or leave the option out to use this machine"
    return OnestoryError("B804", f"cannot start a worker: {why}", help=help, exit=ExitCode.MACHINE)
