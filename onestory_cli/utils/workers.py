"""Worker processes on a machine: their GPU and CPU threads, and their end. torch is imported only when needed."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_THREADS = "OMP_NUM_THREADS"  # torch reads it, and child processes inherit it


@dataclass(frozen=True, kw_only=True)
class WorkerShare:
    """Resources of the worker with index `place` (from 0) of `share` workers on a machine.

    With device `auto` or `cuda` the worker gets the GPU of its index; on the CPU it gets `threads` threads, or by
    default an equal part of them.
    """

    device: str = "auto"
    threads: int | None = None
    share: int = 1
    place: int = 0


def follow_parent(alive: Connection) -> None:
    """Let this worker end with its parent: it ignores Ctrl-C, and exits when the parent closes its end of `alive`.

    The end is also closed when the parent dies.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all processes; the parent stops the workers
    threading.Thread(target=_exit_with_parent, args=(alive,), daemon=True).start()


def _exit_with_parent(alive: Connection) -> None:
    alive.poll(None)
    os._exit(1)


def own_device(part: WorkerShare) -> str:
    """Return the device of a worker. If there are more workers than GPUs, they share GPUs."""
    import torch

    gpus = torch.cuda.device_count()
    return f"cuda:{part.place % gpus}" if part.device in ("auto", "cuda") and gpus else part.device


def split_threads(part: WorkerShare) -> None:
    """Set torch's number of threads to the worker's part. Every take records the number."""
    import torch

    if part.threads:
        os.environ[_THREADS] = str(part.threads)
    if part.threads or part.share > 1:
        torch.set_num_threads(part.threads or max(1, torch.get_num_threads() // part.share))


def use_one_thread() -> None:
    """Set torch's number of threads to one, unless the user chose a number."""
    import torch

    if _THREADS not in os.environ:
        torch.set_num_threads(1)
