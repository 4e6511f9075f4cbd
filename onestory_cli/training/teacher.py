"""The teacher of a distillation: guided sampling, averaged over the steps of a short schedule.

Shape letters: B batch, C latent channels, T latent frames, H W latent cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from onestory_cli.generation.denoise import (
    MEMORY_GUIDANCE_MIN_TIMESTEP,
    Conditions,
    predict_velocity,
    set_first_frame,
    unconditional,
    without_memory,
)
from onestory_cli.models.model import TRAIN_TIMESTEPS, Denoiser
from onestory_cli.schedulers import SCHEDULERS


@dataclass(frozen=True, kw_only=True)
class GuidedTeacher:
    """Guided sampling by a denoiser, in `steps` Euler steps between two noise levels of the student."""

    denoiser: Denoiser
    guidance: float
    steps: int

    def mean_velocity(
        self, latents_BCTHW: Tensor, start: float, end: float, conditions: Conditions, memory_scale_B: Tensor
    ) -> Tensor:
        """The mean velocity (B, C, T, H, W) from noise level `start` to `end`; a given first frame stays as it is."""
        moved = latents_BCTHW
        for before, after in pairwise(np.linspace(start, end, self.steps + 1).tolist()):
            moved = moved + (after - before) * self._guided(moved, before, conditions, memory_scale_B)
            moved = set_first_frame(moved, conditions.first_frame_latents_BCHW)
        return (moved - latents_BCTHW) / (end - start)

    def _guided(self, latents: Tensor, sigma: float, conditions: Conditions, memory_scale_B: Tensor) -> Tensor:
        """As `generation.denoise.guided_velocity`, with a scale of memory guidance per row."""
        time = timestep_at(sigma, latents.device)
        cond = predict_velocity(self.denoiser, latents, time, conditions)
        result = cond
        if self.guidance != 1.0:
            uncond = predict_velocity(self.denoiser, latents, time, unconditional(conditions), "uncond")
            result = uncond + self.guidance * (cond - uncond)
        if conditions.context_BSD.shape[1] and time > MEMORY_GUIDANCE_MIN_TIMESTEP and memory_scale_B.any():
            no_memory = predict_velocity(self.denoiser, latents, time, without_memory(conditions), "no_memory")
            result = result + memory_scale_B[:, None, None, None, None] * (cond - no_memory)
        return result


def schedule_sigmas(scheduler: str, steps: int, shift: float) -> list[float]:
    """The noise levels between the steps of a schedule, from 1 (pure noise) down to 0."""
    sigmas: list[float] = SCHEDULERS[scheduler](steps, shift, "cpu").sigmas.tolist()
    return sigmas


def timestep_at(sigma: float, device: torch.device) -> Tensor:
    """The timestep (from 1000 down to 0) of a noise level."""
    return torch.tensor(sigma * TRAIN_TIMESTEPS, device=device)
