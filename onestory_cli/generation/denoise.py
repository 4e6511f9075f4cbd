"""Noise -> latents: the denoise loop and its guidance.

Shape letters: B batch (1 for a film), C latent channels, T latent frames, H W latent cells, L text tokens,
E text width, S context tokens, D transformer width, M joined tokens, I image tokens, V image width.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from diffusers import SchedulerMixin
from torch import Tensor

from onestory_cli.checkpoint import NO_CHECKPOINT, Checkpoint
from onestory_cli.generation.denoise_state import identity_of, restore, snapshot
from onestory_cli.models.caches import (
    FRESH_STEPS,
    Pass,
    cache_pass,
    cache_text_projections,
    reset_caches,
    reuse_context,
)
from onestory_cli.models.model import Denoiser
from onestory_cli.models.spec import ModelSpec
from onestory_cli.models.transformer import RotaryEmbedding, token_timesteps
from onestory_cli.planning.jobs import ShotJob

# Memory guidance applies above this timestep (of 1000). On 24 films of storyworld, memory guidance below it alone left
# the rate of fully recalled looks at 45 %. To measure it again: `onestory evaluate storyworld --memory-guidance`.
MEMORY_GUIDANCE_MIN_TIMESTEP = 850


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """All inputs of a shot other than noise.

    The unconditional pass has neither the caption nor context tokens, so guidance strengthens both. Inputs specific to
    the base go to both the conditional and the unconditional pass.

    `context_2_BSD` are the context tokens of the low-noise expert. `first_frame_latents_BCHW` replaces the first latent
    frame at every step. `concat_latents_BCTHW` are extra input channels of every latent frame. `image_embeds_BIV` are
    CLIP tokens before the text. `control_latents_BCTHW` is VACE's control; its first `references` latent frames are
    reference images, for which noise is added before the shot's and dropped at the end.
    """

    prompt_embeds_BLE: Tensor
    negative_prompt_embeds_BLE: Tensor
    context_BSD: Tensor
    context_rope: RotaryEmbedding
    context_2_BSD: Tensor | None = None
    first_frame_latents_BCHW: Tensor | None = None
    concat_latents_BCTHW: Tensor | None = None
    image_embeds_BIV: Tensor | None = None
    control_latents_BCTHW: Tensor | None = None
    references: int = 0

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors that are set, for the identity of a loop."""
        fields = (*vars(self).values(), *self.context_rope)
        return tuple(item for item in fields if isinstance(item, Tensor))


@dataclass(frozen=True, kw_only=True)
class DenoiseConfig:
    """Scheduler name, number of steps, flow shift of the sigmas, and the classifier-free guidance scale (1 is off).

    `guidance_2` is the scale of the low-noise expert; None uses `guidance`. `memory_guidance` is an additional scale
    for the memory; 0 is off.
    """

    name: str
    steps: int
    shift: float
    guidance: float
    guidance_2: float | None = None
    memory_guidance: float = 0.0

    @classmethod
    def of_model(cls, spec: ModelSpec, *, steps: int) -> DenoiseConfig:
        """A model's defaults, with another number of steps."""
        return cls(
            name=spec.scheduler,
            steps=steps,
            shift=spec.shift,
            guidance=spec.guidance,
            guidance_2=spec.guidance_2,
            memory_guidance=spec.memory_guidance,
        )

    @classmethod
    def of_job(cls, job: ShotJob) -> DenoiseConfig:
        """The settings of a job; without visible memory there is no memory guidance."""
        return cls(
            name=job.scheduler,
            steps=job.steps,
            shift=job.shift,
            guidance=job.guidance,
            guidance_2=job.guidance_2,
            memory_guidance=job.memory.guidance if job.memory.sources else 0.0,
        )

    def guidance_of(self, expert: int) -> float:
        """The guidance scale of an expert."""
        return self.guidance_2 if expert and self.guidance_2 is not None else self.guidance


def prepare_latents(shape: tuple[int, ...], *, seed: int) -> Tensor:
    """Noise (1, C, T, H, W) in float32, drawn on the CPU because other devices draw other numbers."""
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32)


def step_generators(seeds: Sequence[int], step: int) -> list[torch.Generator]:
    """One CPU generator per row for the noise that a stochastic scheduler adds in a step.

    They depend only on the seed and the step, so a resumed shot draws the same noise. The hash keeps them apart from
    the seeds of other shots, which are often consecutive.
    """
    digests = (hashlib.sha256(f"{seed} {step}".encode()).digest() for seed in seeds)
    return [torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big") >> 1) for digest in digests]


@torch.inference_mode()
def denoise(
    denoiser: Denoiser,
    noise_BCTHW: Tensor,
    conditions: Conditions,
    config: DenoiseConfig,
    on_step: Callable[[int], None] = lambda step: None,
    checkpoint: Checkpoint = NO_CHECKPOINT,
    preview: Callable[[int, Callable[[], Tensor]], None] | None = None,
    seeds: Sequence[int] = (0,),
) -> Tensor:
    """Clean latents (B, C, T, H, W) in float32. `on_step(k)` is called after step k of `config.steps`.

    `preview(k, estimate)` is called then too; `estimate()` are the clean latents that the step predicts.

    `seeds`, one per row, are those of the noise that a stochastic scheduler adds; other schedulers ignore them.

    A partial of the same work in the checkpoint is resumed and gives the same bytes as an uninterrupted loop.
    """
    scheduler = denoiser.scheduler(config.name, config.steps, config.shift)
    first_frame = conditions.first_frame_latents_BCHW
    assert first_frame is None or not conditions.references, "references would displace the held first frame"
    latents, done = set_first_frame(noise_BCTHW.to(denoiser.device), first_frame), 0
    identity = _identity(denoiser, noise_BCTHW, conditions, config, scheduler) if checkpoint.enabled else ""
    if saved := checkpoint.load(identity):
        latents, done = restore(saved, scheduler, config.name, denoiser.device), saved.step
    total = len(scheduler.timesteps)  # of evaluations of the model
    state = partial(snapshot, scheduler, config.name, steps=config.steps, identity=identity)
    fresh = None
    reuses = denoiser.spec.caches_context
    stochastic = getattr(scheduler, "config", {}).get("stochastic_sampling", False)
    first_expert = denoiser.expert(scheduler.timesteps[0])
    tokens = math.prod(latents.shape[2:]) // math.prod(denoiser.transformers[0].config.patch_size)
    with (
        cache_text_projections(denoiser.transformers, conditions.prompt_embeds_BLE, tokens=tokens),
        reuse_context(denoiser.transformers if reuses else ()),
    ):
        if reuses and 0 < done < total and denoiser.expert(scheduler.timesteps[done]) == first_expert:
            # the context of a resumed shot, too, is that of its first step
            start = set_first_frame(noise_BCTHW.to(denoiser.device), first_frame)
            predict_velocity(denoiser, start, scheduler.timesteps[0], conditions)
        for step, timestep in enumerate(scheduler.timesteps[done:], start=done + 1):
            if denoiser.spec.execution.cache is not None and (step - 1) % FRESH_STEPS == 0:
                reset_caches(denoiser.transformers)
                fresh = state(latents, step=step - 1)
            elif reuses and fresh is None and denoiser.expert(timestep) != first_expert:
                fresh = state(latents, step=step - 1)  # the low-noise expert computes its context in this step
            velocity = guided_velocity(denoiser, latents, timestep, conditions, config)
            noisy = latents
            draws = {"generator": step_generators(seeds, step)} if stochastic else {}
            latents = scheduler.step(velocity, timestep, latents, return_dict=False, **draws)[0]
            latents = set_first_frame(latents, first_frame)
            on_step(step)
            if preview:
                sigma = timestep / scheduler.config.num_train_timesteps
                preview(step, partial(clean_estimate, noisy, velocity, sigma, skip=conditions.references))
            if checkpoint.due(last=step == total):
                # caches are not saved: the loop resumes at a step where they were empty
                checkpoint.keep(fresh if fresh and step < total else state(latents, step=step))
    reset_caches(denoiser.transformers)
    return latents[:, :, conditions.references :].float()


def clean_estimate(latents_BCTHW: Tensor, velocity_BCTHW: Tensor, sigma: Tensor, *, skip: int) -> Tensor:
    """The clean latents that a velocity points to, without the first `skip` frames: x - sigma v, in rectified flow."""
    return (latents_BCTHW - sigma.to(latents_BCTHW.device) * velocity_BCTHW)[:, :, skip:]


def _identity(
    denoiser: Denoiser,
    noise_BCTHW: Tensor,
    conditions: Conditions,
    config: DenoiseConfig,
    scheduler: SchedulerMixin,
) -> str:
    """Digest of all that the loop depends on except the weights, which are part of the take's key.

    It includes the machine, which may round differently: on another machine the shot starts over.
    """
    start = (noise_BCTHW, scheduler.timesteps, scheduler.sigmas)
    return identity_of((*start, *conditions.tensors), {**denoiser.environment(), **asdict(config)})


def guided_velocity(
    denoiser: Denoiser, latents: Tensor, timestep: Tensor, conditions: Conditions, config: DenoiseConfig
) -> Tensor:
    """Velocity with classifier-free guidance, in separate passes of batch 1: a larger batch rounds differently.

    With v(c, m) for caption c and memory m: v(c, m) + (g - 1) (v(c, m) - v()) + g_m (v(c, m) - v(c)). The last term
    leads away from what the caption alone would show. It costs a pass without context tokens, and is skipped without
    memory and below `MEMORY_GUIDANCE_MIN_TIMESTEP`.
    """
    guidance = config.guidance_of(denoiser.expert(timestep))
    cond = predict_velocity(denoiser, latents, timestep, conditions)
    result = cond
    if guidance != 1.0:
        uncond = predict_velocity(denoiser, latents, timestep, unconditional(conditions), "uncond")
        result = uncond + guidance * (cond - uncond)
    has_memory = conditions.context_BSD.shape[1] > 0
    if config.memory_guidance and has_memory and timestep > MEMORY_GUIDANCE_MIN_TIMESTEP:
        no_memory = predict_velocity(denoiser, latents, timestep, without_memory(conditions), "no_memory")
        result = result + config.memory_guidance * (cond - no_memory)
    return result


def unconditional(conditions: Conditions) -> Conditions:
    """The conditions with the negative caption and without context tokens."""
    return replace(without_memory(conditions), prompt_embeds_BLE=conditions.negative_prompt_embeds_BLE)


def without_memory(conditions: Conditions) -> Conditions:
    """The conditions without context tokens."""
    second = conditions.context_2_BSD
    return replace(
        conditions,
        context_BSD=conditions.context_BSD[:, :0],
        context_2_BSD=None if second is None else second[:, :0],
    )


def predict_velocity(
    denoiser: Denoiser, latents_BCTHW: Tensor, timestep: Tensor, conditions: Conditions, name: Pass = "cond"
) -> Tensor:
    """One forward pass of the expert for this timestep; the predicted velocity (B, C, T, H, W) in float32."""
    expert, dtype = denoiser.expert(timestep), denoiser.dtype
    concat = conditions.concat_latents_BCTHW
    inputs = [latents_BCTHW, *([] if concat is None else [concat])]
    more: dict[str, Any] = {}
    if denoiser.spec.remembers == "context":
        context = conditions.context_BSD if expert == 0 else conditions.context_2_BSD
        assert context is not None, "each expert has its own context tokens"
        more |= {"context_tokens": context.to(dtype), "context_rotary": conditions.context_rope}
    if conditions.image_embeds_BIV is not None:
        more["encoder_hidden_states_image"] = conditions.image_embeds_BIV.to(dtype)
    if conditions.control_latents_BCTHW is not None:
        more["control_hidden_states"] = conditions.control_latents_BCTHW.to(dtype)
    transformer = denoiser.transformers[expert]
    with cache_pass(transformer, name):
        return transformer(
            torch.cat(inputs, dim=1).to(dtype),
            _timesteps(denoiser, latents_BCTHW, timestep, conditions),
            conditions.prompt_embeds_BLE.to(dtype),
            return_dict=False,
            **more,
        )[0].float()


def _timesteps(denoiser: Denoiser, latents_BCTHW: Tensor, timestep: Tensor, conditions: Conditions) -> Tensor:
    """Timesteps (B,), or (B, M) for bases that expand timesteps: 0 for context tokens and a held first frame."""
    batch, _, frames, height, width = latents_BCTHW.shape
    _, patch_height, patch_width = denoiser.transformers[0].config.patch_size
    timesteps = timestep.to(latents_BCTHW.device, torch.float32).expand(batch)
    if not denoiser.spec.expand_timesteps:
        return timesteps
    return token_timesteps(
        timesteps,
        context=conditions.context_BSD.shape[1],
        frames=frames,
        per_frame=height // patch_height * (width // patch_width),
        given=int(conditions.first_frame_latents_BCHW is not None),
    )


def set_first_frame(latents_BCTHW: Tensor, first_frame_BCHW: Tensor | None) -> Tensor:
    """A copy of the latents with the given first latent frame; the latents themselves if it is None."""
    if first_frame_BCHW is None:
        return latents_BCTHW
    latents = latents_BCTHW.clone()
    latents[:, :, 0] = first_frame_BCHW.to(latents)
    return latents
