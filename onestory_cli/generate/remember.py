"""From bank frames to context tokens: score, choose, condition. Batched; a film uses batches of one.

Shape letters: B batch, F bank frames, K selected frames, C latent channels, H W latent cells, L text tokens,
E text width, S context tokens, D transformer width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from onestory_cli.memory.conditioner import context_positions
from onestory_cli.memory.policies import POLICIES, FrameRef
from onestory_cli.models.levels import Level, allocate
from onestory_cli.models.load import LoadedModel, Reader
from onestory_cli.models.transformer import Rotary, rotary_at


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the conditioner gives the transformer; `levels` names the patchifier of each selected frame in order."""

    tokens_BSD: Tensor
    rotary: Rotary
    levels: tuple[Level, ...]


def score(model: Reader, memory_BFCHW: Tensor, ages_F: Tensor, times_F: Tensor, text_BLE: Tensor) -> Tensor:
    """Relevance (B, F) of every bank frame to the caption; an empty bank has no scores."""
    batch, frames = memory_BFCHW.shape[:2]
    if frames == 0:  # attention over no keys has no value
        return memory_BFCHW.new_zeros(batch, 0)
    ages, times = (item.to(model.device).expand(batch, -1) for item in (ages_F, times_F))
    return model.selector(memory_BFCHW.to(model.device), ages, times, text_BLE)


def choose(policy: str, scores_BF: Tensor, refs: Sequence[FrameRef], frames: int) -> Tensor:
    """Bank positions (B, K) of the selected frames, the most relevant first (OneStory Eq. 6)."""
    rows = [POLICIES[policy](row, refs, frames) for row in scores_BF.cpu().tolist()]
    return torch.tensor(rows, dtype=torch.long).reshape(len(rows), -1)


def condition(model: LoadedModel, selected_BKCHW: Tensor, *, budget: float) -> Context:
    """Context tokens of the selected frames at the levels that the budget allows (OneStory Eq. 7)."""
    frames, (height, width) = selected_BKCHW.shape[1], selected_BKCHW.shape[-2:]
    config = model.conditioner.config
    levels = allocate(frames, budget, height=height, width=width, levels=config.levels)
    tokens_BSD = model.conditioner(selected_BKCHW, levels, model.transformer.patch_embedding)
    positions_S3 = context_positions(levels, height=height, width=width, finest=config.levels[0])
    rotary = rotary_at(positions_S3, head_dim=model.transformer.config.attention_head_dim)
    return Context(tokens_BSD=tokens_BSD, rotary=rotary, levels=tuple(levels))


def gather(memory_BFCHW: Tensor, chosen_BK: Tensor) -> Tensor:
    """The chosen frames of every row, (B, K, C, H, W)."""
    index = chosen_BK.to(memory_BFCHW.device)[:, :, None, None, None]
    return memory_BFCHW.gather(1, index.expand(-1, -1, *memory_BFCHW.shape[2:]))
