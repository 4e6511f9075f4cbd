"""Estimate the memory of a model from parameter shapes, before it is downloaded or loaded. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from onestory_cli.memory.levels import allocate
from onestory_cli.models.offload.config import (
    DeviceMemory,
    ExecutionConfig,
    ExecutionRequest,
    MemorySizes,
    candidates,
    device_bytes,
    fits,
    host_bytes,
    loading_bytes,
    usable_bytes,
)
from onestory_cli.models.offload.sizes import PartSizes, memory_sizes
from onestory_cli.models.spec import ModelSpec

PROGRAM_BYTES = 6 * 10**8  # host memory of Python, torch and the other libraries


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The largest work of a model: a shot in pixel frames and pixels, its noise tokens, and its context tokens."""

    frames: int
    width: int
    height: int
    noise: int
    context: int


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An execution config as text, the bytes it needs on the GPU (`card`) and on the host (`machine`), and whether
    they fit."""

    fitting: str
    card: int
    machine: int
    fits: bool


@dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """The memory, in bytes, that a model and its workload need on a device. The field names are those of
    `doctor --json`.

    `memory` is the GPU's, or the host's without a GPU; `usable` is the part of it that a render can use. `parts` are
    the weights by part, `step` and `decode` the activations, `loading` the host memory while loading with the config
    that `chosen` names. `ways` are the candidates up to the first that fits, or all. `chosen` is the first that fits,
    or else the first that the GPU alone could hold; None if there is none.
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
    ways: tuple[Candidate, ...]
    chosen: str | None

    @property
    def way(self) -> Candidate:
        """The candidate that `chosen` names, or the last one."""
        return next((way for way in self.ways if way.fitting == self.chosen), self.ways[-1])

    @property
    def ram(self) -> int:
        """Host memory needed at most: while loading, or for offloaded weights while rendering."""
        return max(self.loading, self.way.machine)

    @property
    def ram_fits(self) -> bool:
        """Whether the host has the memory for loading and for offloaded weights."""
        return self.loading <= self.host and self.way.machine <= usable_bytes(self.host)

    @property
    def fits(self) -> bool:
        """Whether the model can be loaded and run."""
        return self.chosen is not None and self.way.fits and self.ram_fits


def default_workload(spec: ModelSpec) -> Workload:
    """A shot of the model's default size and length with a full memory."""
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
    spec: ModelSpec, parts: PartSizes, work: Workload, device: DeviceMemory, request: ExecutionRequest
) -> MemoryEstimate:
    """The candidates of `--vram auto` up to the first that fits, with their memory."""
    sizes = memory_sizes(
        spec, frames=work.frames, width=work.width, height=work.height, context=work.context, parts=parts
    )
    ways: dict[ExecutionConfig, Candidate] = {}
    for config in candidates(sizes, device, request):
        ways[config] = _candidate(sizes, config, device)
        if ways[config].fits:
            break
    chosen = _chosen(ways, device)
    config = chosen or next(reversed(ways))
    return MemoryEstimate(
        model=spec.name,
        parts=parts.sizes,
        work=work,
        step=sizes.step,
        decode=sizes.tiled_decode if config.vae_tiling else sizes.decode,
        gpu=device.gpu,
        memory=device.memory,
        usable=usable_bytes(device.memory),
        host=device.host,
        loading=loading_bytes(sizes, config) + PROGRAM_BYTES,
        ways=tuple(ways.values()),
        chosen=ways[chosen].fitting if chosen else None,
    )


def _chosen(ways: Mapping[ExecutionConfig, Candidate], device: DeviceMemory) -> ExecutionConfig | None:
    """The first config that fits; without one, the first that the GPU could hold if there were more host memory."""
    held = [config for config, way in ways.items() if device.gpu and way.card <= usable_bytes(device.memory)]
    return next((config for config, way in ways.items() if way.fits), held[0] if held else None)


def _candidate(sizes: MemorySizes, config: ExecutionConfig, device: DeviceMemory) -> Candidate:
    if not device.gpu:
        total = device_bytes(sizes, config) + PROGRAM_BYTES
        return Candidate(fitting=str(config), card=0, machine=total, fits=total <= usable_bytes(device.memory))
    offloaded = 0 if config.offload == "none" else host_bytes(sizes, config)
    return Candidate(
        fitting=str(config),
        card=device_bytes(sizes, config),
        machine=offloaded + PROGRAM_BYTES,
        fits=fits(sizes, config, device),
    )


def with_device_dtype(spec: ModelSpec, device: DeviceMemory) -> ModelSpec:
    """The spec with the dtype that it computes in on a device: float32 on a CPU."""
    return spec if device.gpu else replace(spec, dtype="float32")
