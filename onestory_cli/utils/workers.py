"""The GPU and the CPU threads of one of several worker processes on a machine. torch is imported only when needed."""

from __future__ import annotations

import os
from dataclasses import dataclass

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
