"""Distil guided sampling into a few unguided steps, on the student's own path.

Shape letters: B batch, F memory frames, C latent channels, T latent frames, H W latent cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from onestory_cli.generation.denoise import Conditions, predict_velocity
from onestory_cli.generation.selection import Context, condition, empty_context, gather
from onestory_cli.memory.levels import allocate
from onestory_cli.models.load import LoadedModel
from onestory_cli.training.data import LatentData, StoryBatch
from onestory_cli.training.objective import Losses, mixed_precision, training_attention
from onestory_cli.training.recipe import Stage
from onestory_cli.training.teacher import GuidedTeacher, schedule_sigmas, timestep_at


@dataclass(frozen=True, kw_only=True)
class DistilObjective:
    """One loss per step of the student's schedule; the caller updates the student after each.

    The latents start as noise and follow the student. The target of each step is the mean velocity of the guided
    teacher over that step, from the same latents. `student` and `teacher` share all parts except the transformer.
    """

    student: LoadedModel
    teacher: LoadedModel
    data: LatentData
    stage: Stage
    dtype: str

    def __call__(self, rng: np.random.Generator, noise: torch.Generator) -> Iterator[Losses]:
        batch = self._batch(rng)
        with torch.no_grad(), self._autocast():
            conditions = self._conditions(batch, rng, noise)
        memory_scale = torch.where(batch.introduces_B, 0.0, self.stage.memory_guidance).to(self.student.device)
        latents = torch.randn(batch.target_BCTHW.shape, generator=noise).to(self.student.device)
        for number, (start, end) in enumerate(pairwise(self.sigmas())):
            time = timestep_at(start, latents.device)
            with torch.no_grad(), self._autocast():
                target = self.guided.mean_velocity(latents, start, end, conditions, memory_scale)
            with self._autocast(), training_attention(latents.device):
                predicted = predict_velocity(self.student.denoiser, latents, time, conditions)
            loss = (predicted - target).square().mean()
            yield {"loss": loss, f"step_{number + 1}": loss.detach()}
            latents = latents + (end - start) * predicted.detach()

    def sigmas(self) -> list[float]:
        """The noise levels of the student's steps, from 1 down to 0."""
        spec = self.student.spec
        return schedule_sigmas(spec.scheduler, spec.steps, spec.shift)

    @property
    def guided(self) -> GuidedTeacher:
        """The teacher with the guidance of the stage."""
        stage = self.stage
        return GuidedTeacher(denoiser=self.teacher.denoiser, guidance=stage.guidance, steps=stage.teacher_steps)

    def _batch(self, rng: np.random.Generator) -> StoryBatch:
        stage = self.stage
        weights = np.array(stage.earlier) / sum(stage.earlier)
        earlier = 1 + int(rng.choice(len(weights), p=weights)) if rng.random() < stage.memory else 0
        return self.data.batch(
            rng,
            size=stage.batch,
            earlier=earlier,
            inflation=stage.inflation if earlier else 0.0,
            full_caption=stage.full_caption if earlier else stage.full_caption_alone,
            stories=stage.story_slice,
            pairs=stage.pairs,
        )

    def _conditions(self, batch: StoryBatch, rng: np.random.Generator, noise: torch.Generator) -> Conditions:
        model = self.student
        text_BLE = model.text.encode(list(batch.captions))
        context = self._context(batch, text_BLE, float(rng.choice(self.stage.budgets)), noise)
        return Conditions(
            prompt_embeds_BLE=text_BLE,
            negative_prompt_embeds_BLE=model.text.encode([model.spec.negative]).expand_as(text_BLE),
            context_BSD=context.tokens_BSD,
            context_rope=context.rope,
        )

    def _context(self, batch: StoryBatch, text_BLE: Tensor, budget: float, noise: torch.Generator) -> Context:
        """Context tokens of the frames that the selector chooses, plus noise: generated frames are not clean."""
        model, memory = self.student, batch.memory_BFCHW.to(self.student.device)
        if not memory.shape[1]:
            return empty_context(model.denoiser, len(memory))
        memory = memory + self.stage.memory_noise * torch.randn(memory.shape, generator=noise).to(memory)
        ages, times = batch.ages_BF.to(model.device), batch.times_BF.to(model.device)
        order_BF = model.selector(memory, ages, times, text_BLE).argsort(1, descending=True)
        height, width = memory.shape[-2:]
        frames = min(max(self.stage.remembered), order_BF.shape[1])
        levels = allocate(frames, budget, height=height, width=width, levels=model.spec.levels)
        return condition(model.denoiser, gather(memory, order_BF[:, : len(levels)]), levels)

    def _autocast(self) -> AbstractContextManager[object]:
        """Entered for each part of a step: autocast keeps cast weights until it exits, and would hide the updates."""
        return mixed_precision(self.student.device, self.dtype)
