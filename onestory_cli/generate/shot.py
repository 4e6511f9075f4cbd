"""One shot: remember, select, condition, denoise, decode.

Shape letters: F bank frames, K selected frames, C latent channels, T latent frames, P pixel frames, H W.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from onestory_cli.events import Emit, Remembered, StepDone, ignore
from onestory_cli.generate.denoise import Conditions, Schedule, denoise, starting_noise
from onestory_cli.generate.remember import Context, choose, condition, gather, score
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.load import LoadedModel
from onestory_cli.plan.jobs import ShotJob


@dataclass(frozen=True, kw_only=True)
class SelectedFrame:
    """One remembered frame: where it is from, its relevance, and what it cost."""

    shot: str
    index: int
    score: float
    level: str
    tokens: int


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


@dataclass(frozen=True, kw_only=True)
class Recall:
    """What one caption takes from one bank: the selection, all scores, and the context tokens."""

    selection: tuple[SelectedFrame, ...]
    scores: dict[str, tuple[float, ...]]
    context: Context


def generate_shot(
    model: LoadedModel,
    job: ShotJob,
    bank: MemoryBank,
    *,
    image: NDArray[np.uint8] | None = None,
    emit: Emit = ignore,
) -> ShotResult:
    """Make one shot from its caption, the bank that it may see, and a first picture (H, W, 3) if it has one."""
    watch = Stopwatch()
    with watch("remember"), torch.inference_mode():
        text = model.encode_text([job.caption])
        negative = model.encode_text([job.negative])
        recall = remember(model, job, bank, text)
        emit(_remembered(job, bank, recall))
        first = None if image is None else model.encode_image(image)[:, 0][None]
    with watch("denoise"):
        conditions = Conditions(
            text_BLE=text,
            negative_BLE=negative,
            context_BSD=recall.context.tokens_BSD,
            rotary=recall.context.rotary,
            first_BCHW=first,
        )
        schedule = Schedule(name=job.scheduler, steps=job.steps, shift=job.shift, guidance=job.guidance)
        shape = latent_shape(model, job)
        latents = denoise(model, starting_noise(shape, seed=job.seed), conditions, schedule, _steps(job, emit))
    with watch("decode"), torch.inference_mode():
        pixels = model.decode(latents[0])
    return ShotResult(
        latents_CTHW=latents[0].cpu().numpy(),
        pixels_PHWC=pixels,
        selection=recall.selection,
        scores=recall.scores,
        context_tokens=recall.context.tokens_BSD.shape[1],
        noise_tokens=shape[2] * model.spec.tokens_per_frame(job.width, job.height),
        seconds=dict(watch.seconds),
    )


def remember(model: LoadedModel, job: ShotJob, bank: MemoryBank, text_BLE: torch.Tensor) -> Recall:
    """Score all visible frames, select by the job's policy, condition within its budget (OneStory Eq. 2-7)."""
    memory = bank.frames_FCHW[None].to(model.device)
    scores_BF = score(model, memory, bank.ages_F, bank.times_F, text_BLE)
    chosen_BK = choose(job.memory.policy, scores_BF, bank.refs, job.memory.frames)
    context = condition(model, gather(memory, chosen_BK), budget=job.memory.budget)
    values, refs = scores_BF[0].tolist(), bank.refs
    by_source: dict[str, list[float]] = defaultdict(list)
    for ref, value in zip(refs, values, strict=True):
        by_source[ref.source].append(value)
    height, width = model.spec.latent_size(job.width, job.height)
    selection = tuple(
        SelectedFrame(
            shot=refs[position].source,
            index=refs[position].index,
            score=values[position],
            level=level.name,
            tokens=level.tokens(height, width),
        )
        for position, level in zip(chosen_BK[0].tolist(), context.levels, strict=False)  # the budget may end sooner
    )
    return Recall(
        selection=selection, scores={name: tuple(items) for name, items in by_source.items()}, context=context
    )


def latent_shape(model: LoadedModel, job: ShotJob) -> tuple[int, int, int, int, int]:
    """(1, C, T, H, W) of the job's latents."""
    spec = model.spec
    return (1, spec.latent_channels, spec.latent_frames(job.frames), *spec.latent_size(job.width, job.height))


def _remembered(job: ShotJob, bank: MemoryBank, recall: Recall) -> Remembered:
    return Remembered(
        shot=job.shot,
        frames=tuple((item.shot, item.index) for item in recall.selection),
        tokens=recall.context.tokens_BSD.shape[1],
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
