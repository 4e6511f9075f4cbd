"""One of several workers on a machine: its GPU, or its part of the CPU. Nothing heavy loads before a worker asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a worker has. Of `share` workers on a machine it is the one in `place`, counted from 0.

    With the device auto or cuda it has the GPU of its place; on the CPU `threads` threads, or else a fair part of them.
    """

    device: str = "auto"
    threads: int | None = None
    share: int = 1
    place: int = 0


def own_device(part: Share) -> str:
    """The device of one worker; more workers than GPUs share them."""
    import torch

    gpus = torch.cuda.device_count()
    return f"cuda:{part.place % gpus}" if part.device in ("auto", "cuda") and gpus else part.device


def split_threads(part: Share) -> None:
    """Give torch its part of the CPU. How many threads there were is recorded with every take."""
    import torch

    if part.threads or part.share > 1:
        torch.set_num_threads(part.threads or max(1, torch.get_num_threads() // part.share))
