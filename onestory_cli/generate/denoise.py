"""Noise -> latents: the schedule and the loop.

Shape letters: B batch (1 for a film), C latent channels, T latent frames, H W latent cells, L text tokens,
E text width, S context tokens, D transformer width, M joined tokens, I image tokens, V image width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from diffusers import SchedulerMixin
from torch import Tensor

from onestory_cli.checkpoint import NO_CHECKPOINT, Checkpoint
from onestory_cli.generate.denoise_state import identity_of, restore, snapshot
from onestory_cli.models.block_cache import FRESH_STEPS, Pass, cache_pass, reset_caches
from onestory_cli.models.context_cache import reuse_context
from onestory_cli.models.model import LoadedModel
from onestory_cli.models.spec import ModelSpec
from onestory_cli.models.text_cache import cache_text_projections
from onestory_cli.models.transformer import RotaryEmbedding, token_timesteps

# Of 1000. On 24 films of the embedded model, guidance of the memory below it alone left all looks recalled at 45 %.
LOOKS_SETTLED = 850


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """All that a shot is made from beside noise.

    The unconditional branch has neither text nor context tokens, so that guidance strengthens both; what a stock base
    reads in its own ways it reads in both branches, as it was trained.

    `context_2_BSD` is the context in the language of the second expert. `first_BCHW` is held in the latents;
    `channels_BCTHW` goes beside them, more channels of every latent frame; `image_BIV` goes before the text;
    `control_BCTHW` is VACE's control, and its first `references` latent frames stand for reference images: noise of the
    same number goes before the shot's and is dropped in the end.
    """

    text_BLE: Tensor
    negative_BLE: Tensor
    context_BSD: Tensor
    rotary: RotaryEmbedding
    context_2_BSD: Tensor | None = None
    first_BCHW: Tensor | None = None
    channels_BCTHW: Tensor | None = None
    image_BIV: Tensor | None = None
    control_BCTHW: Tensor | None = None
    references: int = 0

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All of them that there are, for the identity of a loop."""
        fields = (*vars(self).values(), *self.rotary)
        return tuple(item for item in fields if isinstance(item, Tensor))


@dataclass(frozen=True, kw_only=True)
class DenoiseConfig:
    """How noise becomes latents: a scheduler's name, its steps and time shift, and the guidance scale (1 is none).

    `guidance_2` is for the second expert; None is the same as for the first. `memory_guidance` is what the memory
    weighs beside that; 0 is nothing.
    """

    name: str
    steps: int
    shift: float
    guidance: float
    guidance_2: float | None = None
    memory_guidance: float = 0.0

    def guidance_of(self, expert: int) -> float:
        return self.guidance_2 if expert and self.guidance_2 is not None else self.guidance


def default_config(spec: ModelSpec, *, steps: int) -> DenoiseConfig:
    """A model's own settings, at so many steps."""
    return DenoiseConfig(
        name=spec.scheduler,
        steps=steps,
        shift=spec.shift,
        guidance=spec.guidance,
        guidance_2=spec.guidance_2,
        memory_guidance=spec.memory_guidance,
    )


def prepare_latents(shape: tuple[int, ...], *, seed: int) -> Tensor:
    """Noise (1, C, T, H, W) in float32, always drawn on the CPU: other devices draw other numbers."""
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32)


@torch.inference_mode()
def denoise(
    model: LoadedModel,
    noise_BCTHW: Tensor,
    conditions: Conditions,
    schedule: DenoiseConfig,
    on_step: Callable[[int], None] = lambda step: None,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Tensor:
    """Clean latents (B, C, T, H, W) in float32. `on_step(k)` is called after step k of `schedule.steps`.

    What the checkpoint holds of this very work is gone on with, to the same bytes as if it had never stopped.
    """
    scheduler = model.scheduler(schedule.name, schedule.steps, schedule.shift)
    assert conditions.first_BCHW is None or not conditions.references, "a held frame comes first"
    latents, done = set_first_frame(noise_BCTHW.to(model.device), conditions.first_BCHW), 0
    identity = "" if not checkpoint.enabled else _identity(model, noise_BCTHW, conditions, schedule, scheduler)
    if kept := checkpoint.load(identity):
        latents, done = restore(kept, scheduler, schedule.name, model.device), kept.step
    state = partial(snapshot, scheduler, schedule.name, steps=schedule.steps, identity=identity)
    fresh = None
    reuses = model.spec.caches_context
    tokens = math.prod(latents.shape[2:]) // math.prod(model.transformer.config.patch_size)
    with (
        cache_text_projections(model.expert_transformers, conditions.text_BLE, tokens=tokens),
        reuse_context(model.expert_transformers if reuses else ()),
    ):
        if done and reuses and model.expert(scheduler.timesteps[done]) == model.expert(scheduler.timesteps[0]):
            # a resumed shot reuses the context of its first step, too
            start = set_first_frame(noise_BCTHW.to(model.device), conditions.first_BCHW)
            predict_velocity(model, start, scheduler.timesteps[0], conditions)
        for step, time in enumerate(scheduler.timesteps[done:], start=done + 1):
            if model.spec.fitting.cache is not None and (step - 1) % FRESH_STEPS == 0:
                reset_caches(model.expert_transformers)
                fresh = state(latents, step=step - 1)
            elif reuses and fresh is None and model.expert(time) != model.expert(scheduler.timesteps[0]):
                fresh = state(latents, step=step - 1)  # the second expert computes its context here
            predicted = guided_velocity(model, latents, time, conditions, schedule)
            latents = scheduler.step(predicted, time, latents, return_dict=False)[0]
            latents = set_first_frame(latents, conditions.first_BCHW)
            on_step(step)
            if checkpoint.due(last=step == schedule.steps):
                # caches are not kept: work is resumed from where they were empty
                checkpoint.keep(fresh if fresh and step < schedule.steps else state(latents, step=step))
    reset_caches(model.expert_transformers)
    return latents[:, :, conditions.references :].float()


def _identity(
    model: LoadedModel, noise_BCTHW: Tensor, conditions: Conditions, schedule: DenoiseConfig, scheduler: SchedulerMixin
) -> str:
    """All that the loop depends on but the weights, which a take's key holds. Another machine makes another identity,
    because it may round otherwise: there the shot begins again.
    """
    start = (noise_BCTHW, scheduler.timesteps, scheduler.sigmas)
    return identity_of((*start, *conditions.tensors), {**model.environment(), **asdict(schedule)})


def guided_velocity(
    model: LoadedModel, latents: Tensor, time: Tensor, conditions: Conditions, schedule: DenoiseConfig
) -> Tensor:
    """Classifier-free guidance as passes of batch 1: a larger batch would round otherwise.

    With v for the velocity given text c and memory m: v(c, m) + (g - 1) (v(c, m) - v()) + g_m (v(c, m) - v(c)). The
    last part leads away from what the caption alone would show. It costs a pass without context tokens, and is left out
    where there are none and where looks are settled.
    """
    guidance = schedule.guidance_of(model.expert(time))
    wanted = predict_velocity(model, latents, time, conditions)
    result = wanted
    if guidance != 1.0:
        free = predict_velocity(model, latents, time, unconditional(conditions), "uncond")
        result = free + guidance * (wanted - free)
    if schedule.memory_guidance and conditions.context_BSD.shape[1] and time > LOOKS_SETTLED:
        forgetful = predict_velocity(model, latents, time, without_memory(conditions), "forgetful")
        result = result + schedule.memory_guidance * (wanted - forgetful)
    return result


def unconditional(conditions: Conditions) -> Conditions:
    """The same without text and without context tokens."""
    return replace(without_memory(conditions), text_BLE=conditions.negative_BLE)


def without_memory(conditions: Conditions) -> Conditions:
    """The same without context tokens."""
    second = conditions.context_2_BSD
    return replace(
        conditions,
        context_BSD=conditions.context_BSD[:, :0],
        context_2_BSD=None if second is None else second[:, :0],
    )


def predict_velocity(
    model: LoadedModel, latents_BCTHW: Tensor, time: Tensor, conditions: Conditions, name: Pass = "cond"
) -> Tensor:
    """The prediction in float32 of the expert for this time, with all that its base reads beside the latents."""
    expert, dtype = model.expert(time), model.dtype
    inputs = [latents_BCTHW, *([] if conditions.channels_BCTHW is None else [conditions.channels_BCTHW])]
    more: dict[str, Any] = {}
    if model.spec.remembers == "context":
        context = conditions.context_BSD if expert == 0 else conditions.context_2_BSD
        assert context is not None, "each expert has context tokens of its own"
        more |= {"context_tokens": context.to(dtype), "context_rotary": conditions.rotary}
    if conditions.image_BIV is not None:
        more["encoder_hidden_states_image"] = conditions.image_BIV.to(dtype)
    if conditions.control_BCTHW is not None:
        more["control_hidden_states"] = conditions.control_BCTHW.to(dtype)
    transformer = model.expert_transformers[expert]
    with cache_pass(transformer, name):
        return transformer(
            torch.cat(inputs, dim=1).to(dtype),
            _times(model, latents_BCTHW, time, conditions),
            conditions.text_BLE.to(dtype),
            return_dict=False,
            **more,
        )[0].float()


def _times(model: LoadedModel, latents_BCTHW: Tensor, time: Tensor, conditions: Conditions) -> Tensor:
    """(B,), or one time per token (B, M) where the base takes that: context and a held first frame are at 0."""
    batch, _, frames, height, width = latents_BCTHW.shape
    _, patch_height, patch_width = model.transformer.config.patch_size
    times = time.to(latents_BCTHW.device, torch.float32).expand(batch)
    if not model.spec.expand_timesteps:
        return times
    return token_timesteps(
        times,
        context=conditions.context_BSD.shape[1],
        frames=frames,
        per_frame=height // patch_height * (width // patch_width),
        given=int(conditions.first_BCHW is not None),
    )


def set_first_frame(latents_BCTHW: Tensor, first_BCHW: Tensor | None) -> Tensor:
    """The given picture stays the first latent frame at every step."""
    if first_BCHW is None:
        return latents_BCTHW
    held = latents_BCTHW.clone()
    held[:, :, 0] = first_BCHW.to(held)
    return held
