"""Whether a model can make a shot on a card, told from shapes before anything is loaded or fetched. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from onestory_cli.memory.levels import allocate
from onestory_cli.models.offload.config import (
    DeviceMemory,
    ExecutionConfig,
    ExecutionRequest,
    MemorySizes,
    device_bytes,
    fits,
    host_bytes,
    list_takes,
    loading_bytes,
    usable_bytes,
)
from onestory_cli.models.offload.sizes import PartSizes, memory_sizes
from onestory_cli.models.spec import ModelSpec

PROGRAM = 6 * 10**8  # bytes of the libraries themselves, in the machine's memory


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is asked of a model at once: pixel frames of a size, their noise tokens, and context tokens of memory."""

    frames: int
    width: int
    height: int
    noise: int
    context: int


@dataclass(frozen=True, kw_only=True)
class ListedTake:
    """One fitting, the bytes that it needs of the card and of the machine while it works, and whether it has them."""

    fitting: str
    card: int
    machine: int
    fits: bool


@dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """A model and its largest work on a card. `memory` is the card's, or the machine's where there is no card, of which
    `usable_bytes` can be counted on. `ways` go down to the one that `chosen` names; None is chosen where no way fits.

    `loading` is what the machine's memory holds while the weights are read.
    """

    model: str
    parts: Mapping[str, int]
    work: Workload
    step: int
    decode: int
    gpu: bool
    memory: int
    usable: int
    host: int
    loading: int
    ways: tuple[ListedTake, ...]
    chosen: str | None

    @property
    def fits(self) -> bool:
        return self.chosen is not None and self.loading <= self.host


def default_workload(spec: ModelSpec) -> Workload:
    """A shot at the model's own size and length, with all the memory that it takes by itself."""
    rows, columns = spec.latent_size(spec.width, spec.height)
    levels = allocate(spec.memory_frames, spec.budget, height=rows, width=columns, levels=spec.levels)
    per_frame = spec.tokens_per_frame(spec.width, spec.height)
    return Workload(
        frames=spec.frames,
        width=spec.width,
        height=spec.height,
        noise=spec.latent_frames(spec.frames) * per_frame,
        context=sum(level.tokens(rows, columns) for level in levels),
    )


def estimate_memory(
    spec: ModelSpec, parts: PartSizes, work: Workload, card: DeviceMemory, asked: ExecutionRequest
) -> MemoryEstimate:
    """The way that `--vram auto` would take, and those before it that are too large."""
    sizes = memory_sizes(
        spec, frames=work.frames, width=work.width, height=work.height, context=work.context, parts=parts
    )
    ways: list[ListedTake] = []
    fitting = ExecutionConfig()
    for fitting in list_takes(sizes, card, asked):
        ways.append(_way(sizes, fitting, card))
        if ways[-1].fits:
            break
    return MemoryEstimate(
        model=spec.name,
        parts=parts.sizes,
        work=work,
        step=sizes.step,
        decode=sizes.tiled_decode if fitting.vae_tiling else sizes.decode,
        gpu=card.gpu,
        memory=card.memory,
        usable=usable_bytes(card.memory),
        host=card.host,
        loading=loading_bytes(sizes, fitting) + PROGRAM,
        ways=tuple(ways),
        chosen=ways[-1].fitting if ways[-1].fits else None,
    )


def _way(sizes: MemorySizes, fitting: ExecutionConfig, card: DeviceMemory) -> ListedTake:
    if not card.gpu:
        all_of_it = device_bytes(sizes, fitting) + PROGRAM
        return ListedTake(fitting=str(fitting), card=0, machine=all_of_it, fits=all_of_it <= usable_bytes(card.memory))
    waits = 0 if fitting.offload == "none" else host_bytes(sizes, fitting)
    return ListedTake(
        fitting=str(fitting),
        card=device_bytes(sizes, fitting),
        machine=waits + PROGRAM,
        fits=fits(sizes, fitting, card),
    )


def with_device_dtype(spec: ModelSpec, card: DeviceMemory) -> ModelSpec:
    """The spec with the type that it computes in there: processors take float32."""
    return spec if card.gpu else replace(spec, dtype="float32")
