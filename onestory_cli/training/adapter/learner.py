"""The loss of an adapter: L = L_shot + lambda L_sel on the last shot of a triple (OneStory Eq. 10-12).

Shape letters: B batch, F memory frames, K selected frames, C latent channels, T latent frames, H W latent cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from onestory_cli.generation.denoise import Conditions, predict_velocity
from onestory_cli.generation.selection import Context, condition, gather
from onestory_cli.memory.levels import allocate
from onestory_cli.memory.selector import selection_loss
from onestory_cli.models.model import TRAIN_TIMESTEPS
from onestory_cli.training.adapter.base import AdapterModel
from onestory_cli.training.adapter.recipe import AdapterMemory, Learning
from onestory_cli.training.adapter.triples import Triples
from onestory_cli.training.objective import Losses, shuffle_real_first


@dataclass(frozen=True, kw_only=True)
class StepShape:
    """Sizes of a batch, which decide the weights that it uses: at most `frames` remembered frames, within `budget`.

    All processes must use the same shape. With sharded weights (FSDP 2) each process averages the gradients of the
    weights that it used: other sets in other processes stop the training, or mix gradients of different weights.
    `alone` marks a step without memory.
    """

    frames: int
    budget: float
    alone: bool


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The random choices of a step: noise and its level (1 is pure noise), and the frames to remember.

    During warm-up `order_BF` are the memory positions in order of priority; later it is None and the selector chooses.
    """

    noise_BCTHW: Tensor
    time_B: Tensor
    roughness_BFCHW: Tensor
    order_BF: Tensor | None
    shape: StepShape


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The distribution of noise levels: the sigmoid of a normal number, shifted towards noise.

    It is cut off at `least` and `most`, the band of an expert; within the band its shape stays that of the sampler,
    which shifts first and selects the expert afterwards.
    """

    mean: float
    std: float
    shift: float
    least: float = 0.0
    most: float = 1.0

    def draw(self, count: int, chance: torch.Generator) -> Tensor:
        """(count,) levels."""
        normal = torch.distributions.Normal(self.mean, self.std)
        low, high = (normal.cdf(torch.logit(torch.tensor(self._unshifted(level)))) for level in (self.least, self.most))
        # the inverse of the distribution function, at uniform numbers within the band
        level_B = torch.sigmoid(normal.icdf(low + (high - low) * torch.rand(count, generator=chance).clamp(1e-6)))
        return self.shift * level_B / (1 + (self.shift - 1) * level_B)

    def _unshifted(self, level: float) -> float:
        """The level that the shift maps to `level`."""
        return level / (self.shift - (self.shift - 1) * level)


def draw_shape(
    rng: np.random.Generator, learning: Learning, memory: AdapterMemory, *, step: int, shot_frames: int, alone: bool
) -> StepShape:
    """Draw the shape of a batch of optimiser step `step`, counted from 0.

    `shot_frames`: latent frames of the shortest remembered shot.
    """
    shots = 1 if step < learning.uniform_steps else 2  # the warm-up remembers frames of the real shot only
    frames = min(int(rng.choice(memory.remembered)), shots * shot_frames)
    return StepShape(frames=frames, budget=float(rng.choice(memory.budgets)), alone=alone)


def draw_choices(
    batch: Triples, shape: StepShape, *, memory: AdapterMemory, noise: Noise, warming: bool, chance: torch.Generator
) -> Choices:
    """Draw the random choices for a batch; `warming` is true during warm-up."""
    roughness = torch.randn(batch.memory_BFCHW.shape, generator=chance) if memory.noise else torch.zeros(())
    return Choices(
        noise_BCTHW=torch.randn(batch.target_BCTHW.shape, generator=chance),
        time_B=noise.draw(len(batch.target_BCTHW), chance),
        roughness_BFCHW=memory.noise * roughness,
        # an untrained selector would mislead
        order_BF=shuffle_real_first(batch.real_BF, chance) if warming else None,
        shape=shape,
    )


class Learner(nn.Module):
    """The trainable and frozen parts as one module for accelerate to wrap.

    Its forward calls a function with the model. Wrappers that shard weights gather them only during a forward, so all
    work on the weights must go through it.
    """

    def __init__(self, model: AdapterModel) -> None:
        super().__init__()
        self.transformer, self.selector, self.conditioner = model.transformer, model.selector, model.conditioner
        self.model = model

    def forward(self, work: Callable[[AdapterModel], Any]) -> Any:
        return work(self.model)

    @property
    def parts(self) -> dict[str, nn.Module]:
        return {"transformer": self.transformer, "selector": self.selector, "conditioner": self.conditioner}


def losses_of(model: AdapterModel, batch: Triples, choices: Choices, *, selection_weight: float) -> Losses:
    """Return `loss`, which has a gradient, and its detached terms for the log."""
    device = model.device
    text_BLE, memory = batch.text_BLE.to(device), batch.memory_BFCHW.to(device)
    scores_BF = model.selector(memory, batch.ages_BF.to(device), batch.times_BF.to(device), text_BLE)
    selection = selection_loss(scores_BF, batch.labels_BF.to(scores_BF))
    context = _remember(model, memory, scores_BF, choices)
    flow = _flow(model, batch, text_BLE, context, choices)
    name = "flow_alone" if choices.shape.alone else "flow_memory"
    return {
        "loss": flow + selection_weight * selection,
        name: flow.detach(),
        "selection": selection.detach(),
    }


def _remember(model: AdapterModel, memory_BFCHW: Tensor, scores_BF: Tensor, choices: Choices) -> Context:
    """Context tokens of the frames that condition this step; none in a step without memory."""
    order_BF = choices.order_BF
    if order_BF is None:
        order_BF = scores_BF.detach().argsort(1, descending=True)
    shape, (height, width) = choices.shape, memory_BFCHW.shape[-2:]
    frames = 0 if shape.alone else shape.frames
    levels = allocate(frames, shape.budget, height=height, width=width, levels=model.spec.levels)
    rough_BFCHW = memory_BFCHW + choices.roughness_BFCHW.to(memory_BFCHW)
    return condition(model.denoiser, gather(rough_BFCHW, order_BF[:, : len(levels)]), levels)


def _flow(model: AdapterModel, batch: Triples, text_BLE: Tensor, context: Context, choices: Choices) -> Tensor:
    """L_shot: the mean squared error of the velocity noise - clean (Eq. 10), excluding a given first frame."""
    clean = batch.target_BCTHW.to(model.device)
    time_B, noise = choices.time_B.to(clean), choices.noise_BCTHW.to(clean)
    time = time_B[:, None, None, None, None]
    held = int(batch.given and model.spec.first_frame == "held")
    noisy = torch.cat([clean[:, :, :held], ((1 - time) * clean + time * noise)[:, :, held:]], dim=2)
    conditions = Conditions(
        prompt_embeds_BLE=text_BLE,
        negative_prompt_embeds_BLE=text_BLE,
        context_BSD=context.tokens_BSD,
        context_rope=context.rope,
        first_frame_latents_BCHW=clean[:, :, 0] if held else None,
        concat_latents_BCTHW=None if batch.channels_BRTHW is None else batch.channels_BRTHW.to(clean),
        image_embeds_BIV=None if batch.image_BIV is None else batch.image_BIV.to(clean),
    )
    found = predict_velocity(model.denoiser, noisy, time_B * TRAIN_TIMESTEPS, conditions)
    return functional.mse_loss(found[:, :, held:], (noise - clean)[:, :, held:])
