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

from onestory_cli.generation.denoise import Conditions, predict_velocity, set_first_frame
from onestory_cli.generation.selection import Context, condition, gather
from onestory_cli.memory.levels import allocate
from onestory_cli.memory.selector import recall_at, selection_loss
from onestory_cli.models.model import TRAIN_TIMESTEPS
from onestory_cli.training.adapter.base import AdapterModel
from onestory_cli.training.adapter.recipe import AdapterMemory
from onestory_cli.training.adapter.triples import Triples
from onestory_cli.training.objective import Losses, shuffle_real_first


@dataclass(frozen=True, kw_only=True)
class StepShape:
    """Sizes of a batch, which decide the weights that it uses: at most `frames` remembered frames, within `budget`.

    `length`: pixel frames of the targets. `student_step`: the step of its schedule that a student is trained at.
    All processes must use the same shape. With sharded weights (FSDP 2) each process averages the gradients of the
    weights that it used: other sets in other processes stop the training, or mix gradients of different weights.
    `alone` marks a step without memory.
    """

    frames: int
    budget: float
    alone: bool
    length: int
    student_step: int = 0


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The random choices of a step: noise and its level (1 is pure noise), and the frames to remember.

    During warm-up `order_BF` are the memory positions in order of priority; later it is None and the selector chooses.
    `roughness_BFCHW` is added to the remembered frames, the most relevant first. Those with `replaced_BF` are first
    replaced by the frames `negative_BF` of the batch's irrelevant shots.
    """

    noise_BCTHW: Tensor
    time_B: Tensor
    roughness_BFCHW: Tensor
    replaced_BF: Tensor
    negative_BF: Tensor
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
    rng: np.random.Generator, memory: AdapterMemory, *, warming: bool, shot_frames: int, alone: bool, length: int
) -> StepShape:
    """Draw the shape of a batch; `warming` is true during warm-up.

    `shot_frames`: latent frames of the shortest remembered shot.
    """
    shots = 1 if warming else 2  # the warm-up remembers frames of the real shot only
    frames = min(int(rng.choice(memory.remembered)), shots * shot_frames)
    return StepShape(frames=frames, budget=float(rng.choice(memory.budgets)), alone=alone, length=length)


def draw_choices(
    batch: Triples, shape: StepShape, *, memory: AdapterMemory, noise: Noise, warming: bool, chance: torch.Generator
) -> Choices:
    """Draw the random choices for a batch; `warming` is true during warm-up."""
    rows = batch.memory_BFCHW.shape[:2]
    negatives = 0 if batch.negatives_BNCHW is None else batch.negatives_BNCHW.shape[1]
    return Choices(
        noise_BCTHW=torch.randn(batch.target_BCTHW.shape, generator=chance),
        time_B=noise.draw(len(batch.target_BCTHW), chance),
        roughness_BFCHW=_roughness(batch.memory_BFCHW.shape, memory, chance),
        replaced_BF=torch.rand(rows, generator=chance) < (memory.negatives if negatives else 0.0),
        negative_BF=torch.randint(max(1, negatives), rows, generator=chance),
        # an untrained selector would mislead
        order_BF=shuffle_real_first(batch.real_BF, chance) if warming else None,
        shape=shape,
    )


def _roughness(shape: torch.Size, memory: AdapterMemory, chance: torch.Generator) -> Tensor:
    """Noise (B, F, C, H, W) for remembered frames, with a standard deviation per target."""
    if not memory.noise:
        return torch.zeros(shape)
    least = memory.noise if memory.noise_min is None else memory.noise_min
    deviation_B = least + (memory.noise - least) * torch.rand(shape[0], generator=chance)
    return deviation_B[:, None, None, None, None] * torch.randn(shape, generator=chance)


class Learner(nn.Module):
    """The trainable and frozen parts as one module for accelerate to wrap.

    Its forward calls a function with the model. Wrappers that shard weights gather them only during a forward, so all
    work on the weights must go through it.
    """

    def __init__(self, model: AdapterModel) -> None:
        super().__init__()
        self.model = model
        for name, part in model.parts.items():
            self.add_module(name, part)

    def forward(self, work: Callable[[AdapterModel], Any]) -> Any:
        return work(self.model)

    @property
    def parts(self) -> dict[str, nn.Module]:
        return dict(self.named_children())


def losses_of(model: AdapterModel, batch: Triples, choices: Choices, *, selection_weight: float) -> Losses:
    """Return `loss`, which has a gradient, and its detached terms for the log.

    `recall` is that of the selector, at the number of frames that a film remembers.
    """
    device = model.device
    text_BLE, memory = batch.text_BLE.to(device), batch.memory_BFCHW.to(device)
    scores_BF = model.selector(memory, batch.ages_BF.to(device), batch.times_BF.to(device), text_BLE)
    labels_BF = batch.labels_BF.to(scores_BF)
    selection = selection_loss(scores_BF, labels_BF)
    context = remember(model, batch, scores_BF, choices)
    flow = _flow(model, batch, text_BLE, context, choices)
    name = "flow_alone" if choices.shape.alone else "flow_memory"
    return {
        "loss": flow + selection_weight * selection,
        name: flow.detach(),
        "selection": selection.detach(),
        "recall": recall_at(scores_BF.detach(), labels_BF, model.spec.memory_frames),
    }


def remember(model: AdapterModel, batch: Triples, scores_BF: Tensor, choices: Choices) -> Context:
    """Context tokens of the frames that condition this step; none in a step without memory."""
    order_BF = choices.order_BF
    if order_BF is None:
        order_BF = scores_BF.detach().argsort(1, descending=True)
    shape, (height, width) = choices.shape, batch.memory_BFCHW.shape[-2:]
    frames = 0 if shape.alone else shape.frames
    levels = allocate(frames, shape.budget, height=height, width=width, levels=model.spec.levels)
    kept = len(levels)
    selected_BKCHW = gather(batch.memory_BFCHW, order_BF[:, :kept])
    if batch.negatives_BNCHW is not None:
        replaced = choices.replaced_BF[:, :kept, None, None, None]
        negative_BKCHW = gather(batch.negatives_BNCHW, choices.negative_BF[:, :kept])
        selected_BKCHW = torch.where(replaced, negative_BKCHW, selected_BKCHW)
    rough_BKCHW = selected_BKCHW + choices.roughness_BFCHW[:, :kept]
    return condition(model.denoiser, rough_BKCHW.to(model.device), levels)


def _flow(model: AdapterModel, batch: Triples, text_BLE: Tensor, context: Context, choices: Choices) -> Tensor:
    """L_shot: the mean squared error of the velocity noise - clean (Eq. 10), excluding a given first frame."""
    clean = batch.target_BCTHW.to(model.device)
    time_B, noise = choices.time_B.to(clean), choices.noise_BCTHW.to(clean)
    time = time_B[:, None, None, None, None]
    conditions = conditions_of(model, batch, text_BLE, context)
    noisy = set_first_frame((1 - time) * clean + time * noise, conditions.first_frame_latents_BCHW)
    found = predict_velocity(model.denoiser, noisy, time_B * TRAIN_TIMESTEPS, conditions)
    return velocity_loss(found, noise - clean, conditions)


def conditions_of(
    model: AdapterModel, batch: Triples, text_BLE: Tensor, context: Context, negative_BLE: Tensor | None = None
) -> Conditions:
    """The inputs of the transformer for a batch, other than noise."""
    clean = batch.target_BCTHW.to(model.device)
    held = batch.given and model.spec.first_frame == "held"
    return Conditions(
        prompt_embeds_BLE=text_BLE,
        negative_prompt_embeds_BLE=text_BLE if negative_BLE is None else negative_BLE,
        context_BSD=context.tokens_BSD,
        context_rope=context.rope,
        first_frame_latents_BCHW=clean[:, :, 0] if held else None,
        concat_latents_BCTHW=None if batch.channels_BRTHW is None else batch.channels_BRTHW.to(clean),
        image_embeds_BIV=None if batch.image_BIV is None else batch.image_BIV.to(clean),
    )


def velocity_loss(found_BCTHW: Tensor, target_BCTHW: Tensor, conditions: Conditions) -> Tensor:
    """The mean squared error of a velocity, excluding a given first frame."""
    held = int(conditions.first_frame_latents_BCHW is not None)
    return functional.mse_loss(found_BCTHW[:, :, held:], target_BCTHW[:, :, held:])
