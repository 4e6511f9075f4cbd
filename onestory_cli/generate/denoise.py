"""Noise -> latents: the schedule and the loop.

Shape letters: B batch (1 for a film), C latent channels, T latent frames, H W latent cells, L text tokens,
E text width, S context tokens, D transformer width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from diffusers import SchedulerMixin
from torch import Tensor

from onestory_cli.generate.snapshot import identity_of, restore, snapshot
from onestory_cli.models.load import LoadedModel
from onestory_cli.models.transformer import Rotary, token_timesteps
from onestory_cli.partial import UNKEPT, Checkpoint


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """All that a shot is made from beside noise.

    The unconditional branch has neither text nor memory, so that guidance strengthens both.
    """

    text_BLE: Tensor
    negative_BLE: Tensor
    context_BSD: Tensor
    rotary: Rotary
    first_BCHW: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How noise becomes latents: a scheduler's name, its steps and time shift, and the guidance scale (1 is none)."""

    name: str
    steps: int
    shift: float
    guidance: float


def starting_noise(shape: tuple[int, ...], *, seed: int) -> Tensor:
    """Noise (1, C, T, H, W) in float32, always drawn on the CPU: other devices draw other numbers."""
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32)


@torch.inference_mode()
def denoise(
    model: LoadedModel,
    noise_BCTHW: Tensor,
    conditions: Conditions,
    schedule: Schedule,
    on_step: Callable[[int], None] = lambda step: None,
    checkpoint: Checkpoint = UNKEPT,
) -> Tensor:
    """Clean latents (B, C, T, H, W) in float32. `on_step(k)` is called after step k of `schedule.steps`.

    What the checkpoint holds of this very work is gone on with, to the same bytes as if it had never stopped.
    """
    scheduler = model.scheduler(schedule.name, schedule.steps, schedule.shift)
    latents, done = hold_first(noise_BCTHW.to(model.device), conditions.first_BCHW), 0
    identity = "" if checkpoint is UNKEPT else _identity(model, noise_BCTHW, conditions, schedule, scheduler)
    if partial := checkpoint.load(identity):
        latents, done = restore(partial, scheduler, schedule.name, model.device), partial.step
    for step, time in enumerate(scheduler.timesteps[done:], start=done + 1):
        velocity = guided(model, latents, time, conditions, schedule.guidance)
        latents = scheduler.step(velocity, time, latents, return_dict=False)[0]
        latents = hold_first(latents, conditions.first_BCHW)
        on_step(step)
        if checkpoint.due():
            kept = snapshot(scheduler, schedule.name, latents, step=step, steps=schedule.steps, identity=identity)
            checkpoint.keep(kept)
    return latents.float()


def _identity(
    model: LoadedModel, noise_BCTHW: Tensor, conditions: Conditions, schedule: Schedule, scheduler: SchedulerMixin
) -> str:
    """All that the loop depends on but the weights, which a take's key holds. Another machine makes another identity,
    because it may round otherwise: there the shot begins again.
    """
    given = () if conditions.first_BCHW is None else (conditions.first_BCHW,)
    memory = (conditions.context_BSD, *conditions.rotary)
    start = (noise_BCTHW, scheduler.timesteps, scheduler.sigmas)
    return identity_of(
        (*start, conditions.text_BLE, conditions.negative_BLE, *memory, *given),
        {**model.environment(), **asdict(schedule)},
    )


def guided(model: LoadedModel, latents: Tensor, time: Tensor, conditions: Conditions, guidance: float) -> Tensor:
    """Classifier-free guidance as two passes of batch 1: a batch of 2 would round otherwise."""
    context, rotary = conditions.context_BSD, conditions.rotary
    given = conditions.first_BCHW is not None
    wanted = velocity(model, latents, time, conditions.text_BLE, context, rotary, given=given)
    if guidance == 1.0:
        return wanted
    free = velocity(model, latents, time, conditions.negative_BLE, context[:, :0], rotary, given=given)
    return free + guidance * (wanted - free)


def velocity(
    model: LoadedModel,
    latents: Tensor,
    time: Tensor,
    text_BLE: Tensor,
    context_BSD: Tensor,
    rotary: Rotary,
    *,
    given: bool,
) -> Tensor:
    """The transformer's prediction in float32, with context tokens and a given first frame at time 0."""
    batch, _, frames, height, width = latents.shape
    _, patch_height, patch_width = model.transformer.config.patch_size
    times = time.to(latents.device, torch.float32).expand(batch)
    if model.spec.expand_timesteps:
        per_frame = height // patch_height * (width // patch_width)
        times = token_timesteps(
            times, context=context_BSD.shape[1], frames=frames, per_frame=per_frame, given=int(given)
        )
    return model.transformer(
        latents.to(model.dtype),
        times,
        text_BLE.to(model.dtype),
        return_dict=False,
        context_tokens=context_BSD.to(model.dtype),
        context_rotary=rotary,
    )[0].float()


def hold_first(latents_BCTHW: Tensor, first_BCHW: Tensor | None) -> Tensor:
    """The given picture stays the first latent frame at every step."""
    if first_BCHW is None:
        return latents_BCTHW
    held = latents_BCTHW.clone()
    held[:, :, 0] = first_BCHW.to(held)
    return held
