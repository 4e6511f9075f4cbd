"""Generate one shot: remember, select, condition, denoise, decode.

Shape letters: F bank frames, K selected frames, C latent channels, T latent frames, P pixel frames, H W.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray

from onestory_cli.checkpoint import NO_CHECKPOINT, Checkpoint
from onestory_cli.events import Emit, Preview, Remembered, StepDone, ignore
from onestory_cli.generation.conditions import conditions_of
from onestory_cli.generation.denoise import DenoiseConfig, denoise, prepare_latents
from onestory_cli.generation.preview import StepPreview
from onestory_cli.generation.selection import RecallResult, recall
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.memory.policies import SelectedFrame
from onestory_cli.models.model import LoadedModel
from onestory_cli.models.offload.sizes import decode_bytes
from onestory_cli.models.spec import ModelSpec
from onestory_cli.planning.jobs import ShotJob


@dataclass(frozen=True, kw_only=True)
class ShotResult:
    """A generated shot and its memory state. `scores` holds the relevance of every visible frame, by source."""

    latents_CTHW: NDArray[np.float32]
    selection: tuple[SelectedFrame, ...]
    scores: dict[str, tuple[float, ...]]
    context_tokens: int
    noise_tokens: int
    decoder: Callable[[], NDArray[np.uint8]] = field(repr=False)
    stopwatch: Stopwatch = field(repr=False)

    def decode(self) -> NDArray[np.uint8]:
        """Pixels (P, H, W, 3). The first call decodes, in the calling thread; later calls return the same array."""
        return self._pixels_PHWC

    @cached_property
    def _pixels_PHWC(self) -> NDArray[np.uint8]:
        with self.stopwatch("decode"):
            return self.decoder()

    @property
    def seconds(self) -> dict[str, float]:
        """Wall seconds of the finished phases: remember, denoise and, after `decode`, decode."""
        return dict(self.stopwatch.seconds)


def generate_shot(
    model: LoadedModel,
    job: ShotJob,
    bank: MemoryBank,
    *,
    image: NDArray[np.uint8] | None = None,
    emit: Emit = ignore,
    checkpoint: Checkpoint = NO_CHECKPOINT,
    preview: Preview | None = None,
) -> ShotResult:
    """Generate one shot from its caption, the bank that it may read, and its first frame (H, W, 3) if it has one.

    `preview` gets a picture of the shot every few steps.
    """
    stopwatch = Stopwatch()
    with stopwatch("remember"), torch.inference_mode():
        recalled = recall(model.selection, job, bank)
        conditions = conditions_of(model, job, bank, recalled, image=image)
        emit(_remembered(job, bank, recalled))
    with stopwatch("denoise"):
        config = DenoiseConfig.of_job(job)
        shape = latent_shape(model.spec, job)
        noise = shot_noise(shape, seed=job.seed, references=conditions.references)
        latents = denoise(
            model.denoiser,
            noise,
            conditions,
            config,
            _step_events(job, emit),
            checkpoint,
            StepPreview(model, job, preview) if preview else None,
            seeds=(job.seed,),
        )
        latents_CTHW = latents[0].cpu().numpy()
    return ShotResult(
        latents_CTHW=latents_CTHW,
        selection=recalled.selection,
        scores=recalled.scores,
        context_tokens=recalled.context_tokens,
        noise_tokens=shape[2] * model.spec.tokens_per_frame(job.width, job.height),
        decoder=partial(decode, model, latents_CTHW),
        stopwatch=stopwatch,
    )


def latent_shape(spec: ModelSpec, job: ShotJob) -> tuple[int, int, int, int, int]:
    """(1, C, T, H, W) of the job's latents."""
    return (1, spec.latent_channels, spec.latent_frames(job.frames), *spec.latent_size(job.width, job.height))


def shot_noise(shape: tuple[int, int, int, int, int], *, seed: int, references: int) -> torch.Tensor:
    """Noise of a shot, preceded by that of its reference images.

    The references have their own seed, so their number does not change the shot's noise.
    """
    shot = prepare_latents(shape, seed=seed)
    batch, channels, _, height, width = shape
    before = prepare_latents((batch, channels, references, height, width), seed=(seed + 1) % 2**63)
    return torch.cat([before, shot], dim=2)


def _remembered(job: ShotJob, bank: MemoryBank, recalled: RecallResult) -> Remembered:
    return Remembered(
        shot=job.shot,
        frames=tuple((item.source, item.index) for item in recalled.selection),
        tokens=recalled.context_tokens,
        visible=len(bank.refs),
    )


def _step_events(job: ShotJob, emit: Emit) -> Callable[[int], None]:
    """A callback that emits a StepDone with the seconds of each step."""
    last = [time.monotonic()]

    def on_step(step: int) -> None:
        now = time.monotonic()
        emit(StepDone(shot=job.shot, step=step, steps=job.steps, seconds=now - last[0]))
        last[0] = now

    return on_step


class Stopwatch:
    """Wall seconds by name: `with stopwatch("denoise"): ...`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name, self._start = "", 0.0

    def __call__(self, name: str) -> Stopwatch:
        self._name = name
        return self

    def __enter__(self) -> None:
        self._start = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds[self._name] = round(time.monotonic() - self._start, 4)


def decode(model: LoadedModel, latents_CTHW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Pixels (P, H, W, 3). Any thread may call it: the latents are on the CPU, so no CUDA stream has to wait."""
    with torch.inference_mode(), _own_stream(model.device):
        return model.codec.decode(torch.from_numpy(latents_CTHW), keep_pictures=model.spec.needs_pixels)


def can_decode_in_background(model: LoadedModel, *, width: int, height: int) -> bool:
    """Whether a background thread may decode a shot of `width` x `height` pixels while the next one is denoised.

    The pixels are the same either way. It is possible if the next shot needs none of these pixels and there are
    resources for both: on a CPU twice torch's threads as cores; on a GPU enough free memory, and no offloading. The
    gain on a GPU has not been measured.
    """
    if model.spec.needs_pixels:
        return False
    if model.device.type == "cuda":
        free = torch.cuda.mem_get_info(model.device)[0]
        return model.spec.execution.offload == "none" and free > decode_bytes(width, height)
    return _cores() >= 2 * torch.get_num_threads()


def _cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _own_stream(device: torch.device) -> AbstractContextManager[object]:
    """A new CUDA stream on a GPU: work in the default stream would wait for the other thread's."""
    return torch.cuda.stream(torch.cuda.Stream(device)) if device.type == "cuda" else nullcontext()
