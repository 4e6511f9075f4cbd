"""From bank frames to context tokens: score, select, condition. Batched; a film uses batches of one.

Shape letters: B batch, F bank frames, K selected frames, C latent channels, H W latent cells, L text tokens,
E text width, S context tokens, D transformer width.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from onestory_cli.memory.conditioner import context_positions
from onestory_cli.memory.frames import FrameRef
from onestory_cli.memory.levels import Level, allocate
from onestory_cli.memory.policies import POLICIES, ShownSources
from onestory_cli.models.model import Eyes, LoadedModel, Reader
from onestory_cli.models.transformer import RotaryEmbedding, rotary_embedding


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the conditioner gives the transformer."""

    tokens_BSD: Tensor
    rotary: RotaryEmbedding


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Bank positions (B, K) of the selected frames, the most relevant first, and the level of each rank."""

    positions_BK: Tensor
    levels: tuple[Level, ...]


def score(model: Reader, memory_BFCHW: Tensor, ages_F: Tensor, times_F: Tensor, text_BLE: Tensor) -> Tensor:
    """Relevance (B, F) of every bank frame to the caption; an empty bank has no scores."""
    batch, frames = memory_BFCHW.shape[:2]
    if frames == 0:  # attention over no keys has no value
        return memory_BFCHW.new_zeros(batch, 0)
    ages, times = (item.to(model.device).expand(batch, -1) for item in (ages_F, times_F))
    return model.selector(memory_BFCHW.to(model.device), ages, times, text_BLE)


def select(
    model: Reader | Eyes,
    policy: str,
    scores_BF: Tensor,
    refs: Sequence[FrameRef],
    *,
    frames: int,
    budget: float,
    size: tuple[int, int],
    shown_B: Sequence[ShownSources] = (),
) -> Selection:
    """The frames that a policy keeps, at most as many as the budget can carry, and their levels (OneStory Eq. 6).

    `size` is that of the latents; `shown_B` says for every row what its caption names, or is empty where nobody asks.
    """
    height, width = size
    table = partial(allocate, budget=budget, height=height, width=width, levels=model.spec.levels)
    most = len(table(frames))
    rows = [
        POLICIES[policy](row, refs, most, shown)
        for row, shown in zip(scores_BF.tolist(), shown_B or [()] * len(scores_BF), strict=True)
    ]
    positions_BK = torch.tensor(rows, dtype=torch.long).reshape(len(rows), -1)
    return Selection(positions_BK=positions_BK, levels=tuple(table(positions_BK.shape[1])))


def condition(model: LoadedModel, selected_BKCHW: Tensor, levels: Sequence[Level], *, expert: int = 0) -> Context:
    """Context tokens of the selected frames, each at its level (OneStory Eq. 7), in the language of one expert."""
    height, width = selected_BKCHW.shape[-2:]
    conditioner, transformer = model.expert_conditioners[expert], model.expert_transformers[expert]
    tokens_BSD = conditioner(selected_BKCHW, levels, _beside(transformer.patch_embedding, selected_BKCHW))
    positions_S3 = context_positions(levels, height=height, width=width, finest=model.spec.levels[0])
    rotary = rotary_embedding(positions_S3, head_dim=transformer.config.attention_head_dim)
    return Context(tokens_BSD=tokens_BSD, rotary=rotary)


def _beside(module: nn.Module, value: Tensor) -> Any:
    """The module where the value is; a copy where its own weights wait elsewhere until the transformer works."""
    here = next(module.parameters()).device == value.device
    return module if here else copy.deepcopy(module).to(value.device)


def gather(memory_BF: Tensor, chosen_BK: Tensor) -> Tensor:
    """What every row has of its chosen frames, (B, K, ...) of (B, F, ...): their latents, or their labels."""
    rows_B1 = torch.arange(len(memory_BF), device=memory_BF.device)[:, None]
    return memory_BF[rows_B1, chosen_BK.to(memory_BF.device)]
