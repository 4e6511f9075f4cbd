"""Measure what the selection of frames for a new shot costs after 20, 100 and 300 shots of Wan at 480p.

`python -m tests.benchmarks.selection` gives a selector of a small width a film whose latents are in files, as in a
render. It prints the processor time of the selection for the last shot, whose predecessors are in the cache, and the
memory of the process since its start: all of it, and without the pages of files, which the system can take back. Both
include the latents. The cache at a real width is computed from that of the toy.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from onestory_cli.memory.bank import MemoryBank
from onestory_cli.memory.selector import FrameSelector, SelectorConfig
from onestory_cli.models.bases import T2V_14B
from onestory_cli.models.encoders import CPU
from onestory_cli.models.model import TextSelector
from onestory_cli.store.disk import sha256
from onestory_cli.store.latents import read_latents, unload, write_latents

SHOTS = (20, 100, 300)
REAL_WIDTH = 512
SCALE_BYTES = 4  # of each token in the cache, in addition to a byte per value


@dataclass(frozen=True, kw_only=True)
class SelectionCost:
    """Processor seconds of one selection; bytes of cached features, of memory in use, and of that without files."""

    shots: int
    seconds: float
    cached: int
    resident: int
    allocated: int


@dataclass(frozen=True)
class FixedCaption:
    """A text encoder with one caption of the length that Wan's has."""

    device: torch.device = CPU

    def encode_cached(self, caption: str) -> Tensor:
        return torch.randn(1, 512, 4096, generator=torch.Generator().manual_seed(0))


def measure(counts: Sequence[int], *, width: int, folder: Path) -> Iterator[SelectionCost]:
    """The cost of the selection for shot n + 1, for each n of `counts`, in one growing film."""
    rows, columns = T2V_14B.latent_size(T2V_14B.width, T2V_14B.height)
    channels, frames = T2V_14B.latent_channels, T2V_14B.latent_frames(T2V_14B.frames)
    torch.manual_seed(0)
    selector = FrameSelector(SelectorConfig(latent_channels=channels, text_dim=4096, width=width)).eval()
    selection = TextSelector(spec=T2V_14B, text=cast("Any", FixedCaption()), selector=selector)
    noise = np.random.default_rng(0).standard_normal((channels, frames, rows, columns), np.float32)
    film: list[np.ndarray] = []
    start = memory_bytes()
    for shot in range(max(counts)):
        noise[0, 0, 0, 0] = shot
        file, data = folder / f"{shot}.safetensors", write_latents(noise)
        file.write_bytes(data)
        film.append(read_latents(file, sha256(data)))
        if shot + 1 in counts:
            _score(selection, film[:-1])
            began = time.process_time()
            _score(selection, film)
            seconds = time.process_time() - began
            resident, allocated = memory_bytes()
            yield SelectionCost(
                shots=shot + 1,
                seconds=seconds,
                cached=sum(item.nbytes for item in selection.features.values()),
                resident=resident - start[0],
                allocated=allocated - start[1],
            )


@torch.inference_mode()
def _score(selection: TextSelector, film: Sequence[np.ndarray]) -> None:
    """Score a film as a render does: all pages that the shot before used are unloaded first."""
    channels, _, rows, columns = film[0].shape
    bank = MemoryBank(channels=channels, height=rows, width=columns)
    for shot, latents in enumerate(film):
        unload(latents)
        bank.add(str(shot), torch.from_numpy(latents))
    selection.relevance("", bank, "adaptive")


def memory_bytes() -> tuple[int, int]:
    """The resident bytes of this process, and those that are not pages of files (Linux)."""
    lines = [line.split() for line in Path("/proc/self/status").read_text().splitlines()]
    values = {line[0]: int(line[1]) * 1024 for line in lines if line[0] in ("VmRSS:", "RssAnon:")}
    return values["VmRSS:"], values["RssAnon:"]


def report(costs: Sequence[SelectionCost], *, width: int) -> str:
    """A table with a row per length of the film."""
    head = (
        f"| shots | selection, processor s | cache, width {width} | resident | without files "
        f"| cache, width {REAL_WIDTH} (computed) |"
    )
    rows = [
        f"| {cost.shots} | {cost.seconds:.2f} | {_gb(cost.cached)} | {_gb(cost.resident)} | {_gb(cost.allocated)} "
        f"| {_gb(cost.cached / (width + SCALE_BYTES) * (REAL_WIDTH + SCALE_BYTES))} |"
        for cost in costs
    ]
    return "\n".join([head, "|---:|---:|---:|---:|---:|---:|", *rows, ""])


def _gb(count: float) -> str:
    return f"{count / 1e9:.2f} GB"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.selection", description=__doc__)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--shots", default=",".join(map(str, SHOTS)))
    parser.add_argument("--place", type=Path, help="folder for the latents, 8 MB per shot (default: temporary files)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.place) as folder:
        counts = [int(item) for item in options.shots.split(",")]
        costs = list(measure(counts, width=options.width, folder=Path(folder)))
    sys.stdout.write(report(costs, width=options.width))


if __name__ == "__main__":
    main()
