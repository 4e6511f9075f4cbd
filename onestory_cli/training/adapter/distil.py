"""Distil a guided base into a LoRA that needs few steps and one pass per step, on the student's own path.

Shape letters: B batch, C latent channels, T latent frames, H W latent cells, L text tokens, E text width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from onestory_cli.generation.denoise import Conditions, predict_velocity, set_first_frame
from onestory_cli.generation.selection import Context, empty_context
from onestory_cli.models.adapter import STUDENT
from onestory_cli.training.adapter.base import AdapterModel
from onestory_cli.training.adapter.fit import teacher_guidance
from onestory_cli.training.adapter.learner import Choices, conditions_of, remember, velocity_loss
from onestory_cli.training.adapter.recipe import Distillation
from onestory_cli.training.adapter.triples import Triples
from onestory_cli.training.objective import Losses
from onestory_cli.training.teacher import GuidedTeacher, timestep_at


@dataclass(frozen=True, kw_only=True)
class StudentObjective:
    """The loss of a student at one step of its schedule.

    The student first follows its own path to that step, without gradient. The target is the mean velocity over the step
    of the guided teacher from the same latents. The teacher is the same transformer without the student's LoRA.

    `steps` are pairs of noise levels. A schedule that begins below pure noise, that of a low-noise expert, begins with
    noised training shots, because the other expert is not in memory.
    """

    distil: Distillation
    steps: tuple[tuple[float, float], ...]
    negative_LE: Tensor

    def __call__(self, model: AdapterModel, batch: Triples, choices: Choices) -> Losses:
        number = choices.shape.student_step
        start, end = self.steps[number]
        with torch.no_grad():
            conditions = self._conditions(model, batch, choices)
            latents = self._path(model, batch, choices, conditions)
            target = self.target(model, latents, start, end, conditions)
        torch.clear_autocast_cache()  # it holds the LoRA's weights as cast without gradient
        predicted = predict_velocity(model.denoiser, latents, timestep_at(start, latents.device), conditions)
        loss = velocity_loss(predicted, target, conditions)
        return {"loss": loss, f"step_{number + 1}": loss.detach()}

    def target(
        self, model: AdapterModel, latents_BCTHW: Tensor, start: float, end: float, conditions: Conditions
    ) -> Tensor:
        """The teacher's mean velocity (B, C, T, H, W) from noise level `start` to `end`."""
        guidance = teacher_guidance(self.distil, model.spec)
        teacher = GuidedTeacher(denoiser=model.denoiser, guidance=guidance, steps=self.distil.teacher_steps)
        memory_scale_B = torch.full((len(latents_BCTHW),), self.distil.memory_guidance, device=latents_BCTHW.device)
        with without_lora(model.transformer, STUDENT):
            return teacher.mean_velocity(latents_BCTHW, start, end, conditions, memory_scale_B)

    def _conditions(self, model: AdapterModel, batch: Triples, choices: Choices) -> Conditions:
        text_BLE = batch.text_BLE.to(model.device)
        negative_BLE = self.negative_LE.to(text_BLE).expand_as(text_BLE)
        return conditions_of(model, batch, text_BLE, _context(model, batch, text_BLE, choices), negative_BLE)

    def _path(self, model: AdapterModel, batch: Triples, choices: Choices, conditions: Conditions) -> Tensor:
        """The latents (B, C, T, H, W) that the student reaches before the step."""
        first_frame = conditions.first_frame_latents_BCHW
        clean, level = batch.target_BCTHW.to(model.device), self.steps[0][0]
        latents = (1 - level) * clean + level * choices.noise_BCTHW.to(clean)
        latents = set_first_frame(latents, first_frame)
        for start, end in self.steps[: choices.shape.student_step]:
            time = timestep_at(start, latents.device)
            latents = latents + (end - start) * predict_velocity(model.denoiser, latents, time, conditions)
            latents = set_first_frame(latents, first_frame)
        return latents


def _context(model: AdapterModel, batch: Triples, text_BLE: Tensor, choices: Choices) -> Context:
    """Context tokens of the frames that the base's selector chooses; none for a base without memory adapter."""
    if model.frame_selector is None:
        return empty_context(model.denoiser, len(text_BLE))
    memory, ages, times = (item.to(model.device) for item in (batch.memory_BFCHW, batch.ages_BF, batch.times_BF))
    return remember(model, batch, model.frame_selector(memory, ages, times, text_BLE), choices)


@contextmanager
def without_lora(transformer: nn.Module, name: str) -> Iterator[None]:
    """Inside, the LoRA `name` has no effect. Peft's own switches would also change which weights are trained."""
    layers = [module for module in transformer.modules() if isinstance(module, LoraLayer) and name in module.scaling]
    scales = [layer.scaling[name] for layer in layers]
    for layer in layers:
        layer.scaling[name] = 0.0
    try:
        yield
    finally:
        for layer, scale in zip(layers, scales, strict=True):
            layer.scaling[name] = scale
