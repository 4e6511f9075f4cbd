"""One shot: remember, select, condition, denoise, decode.

Shape letters: F bank frames, K selected frames, C latent channels, T latent frames, P pixel frames, H W.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from onestory_cli.events import Emit, Remembered, StepDone, ignore
from onestory_cli.generate.denoise import Conditions, Schedule, denoise, starting_noise
from onestory_cli.generate.recall import Recalled, SelectedFrame, recall
from onestory_cli.generate.remember import condition, gather
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.load import LoadedModel
from onestory_cli.partial import UNKEPT, Checkpoint
from onestory_cli.plan.jobs import ShotJob


@dataclass(frozen=True, kw_only=True)
class ShotResult:
    """A made shot and its memory state. `scores` holds the relevance of every visible frame, by source."""

    latents_CTHW: NDArray[np.float32]
    pixels_PHWC: NDArray[np.uint8]
    selection: tuple[SelectedFrame, ...]
    scores: dict[str, tuple[float, ...]]
    context_tokens: int
    noise_tokens: int
    seconds: dict[str, float]


def generate_shot(
    model: LoadedModel,
    job: ShotJob,
    bank: MemoryBank,
    *,
    image: NDArray[np.uint8] | None = None,
    emit: Emit = ignore,
    checkpoint: Checkpoint = UNKEPT,
) -> ShotResult:
    """Make one shot from its caption, the bank that it may see, and a first picture (H, W, 3) if it has one."""
    watch = Stopwatch()
    with watch("remember"), torch.inference_mode():
        text = model.encode_text([job.caption])
        negative = model.encode_text([job.negative])
        recalled = recall(model, job, bank, text)
        memory = bank.frames_FCHW[None].to(model.device)
        context = condition(model, gather(memory, recalled.choice.positions_BK), recalled.choice.levels)
        emit(_remembered(job, bank, recalled))
        first = None if image is None else model.encode_image(image)[:, 0][None]
    with watch("denoise"):
        conditions = Conditions(
            text_BLE=text,
            negative_BLE=negative,
            context_BSD=context.tokens_BSD,
            rotary=context.rotary,
            first_BCHW=first,
        )
        schedule = Schedule(name=job.scheduler, steps=job.steps, shift=job.shift, guidance=job.guidance)
        shape = latent_shape(model, job)
        noise = starting_noise(shape, seed=job.seed)
        latents = denoise(model, noise, conditions, schedule, _steps(job, emit), checkpoint)
    with watch("decode"), torch.inference_mode():
        pixels = model.decode(latents[0])
    return ShotResult(
        latents_CTHW=latents[0].cpu().numpy(),
        pixels_PHWC=pixels,
        selection=recalled.selection,
        scores=recalled.scores,
        context_tokens=recalled.context_tokens,
        noise_tokens=shape[2] * model.spec.tokens_per_frame(job.width, job.height),
        seconds=dict(watch.seconds),
    )


def latent_shape(model: LoadedModel, job: ShotJob) -> tuple[int, int, int, int, int]:
    """(1, C, T, H, W) of the job's latents."""
    spec = model.spec
    return (1, spec.latent_channels, spec.latent_frames(job.frames), *spec.latent_size(job.width, job.height))


def _remembered(job: ShotJob, bank: MemoryBank, recalled: Recalled) -> Remembered:
    return Remembered(
        shot=job.shot,
        frames=tuple((item.shot, item.index) for item in recalled.selection),
        tokens=recalled.context_tokens,
        visible=len(bank.refs),
    )


def _steps(job: ShotJob, emit: Emit) -> Callable[[int], None]:
    """A step callback that says how long each step took."""
    last = [time.monotonic()]

    def on_step(step: int) -> None:
        now = time.monotonic()
        emit(StepDone(shot=job.shot, step=step, steps=job.steps, seconds=now - last[0]))
        last[0] = now

    return on_step


class Stopwatch:
    """Wall seconds by name: `with watch("denoise"): ...`."""

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
