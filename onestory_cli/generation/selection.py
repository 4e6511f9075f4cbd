"""From bank frames to context tokens: score, select, condition. Batched; a film uses batches of one.

Shape letters: B batch, F bank frames, K selected frames, C latent channels, H W latent cells, S context tokens,
D transformer width.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from onestory_cli.memory.bank import MemoryBank
from onestory_cli.memory.conditioner import context_positions
from onestory_cli.memory.levels import FIRST_FRAME, Level, allocate
from onestory_cli.memory.policies import FrameRef, SelectedFrame, ShownSources, choose
from onestory_cli.models.model import Denoiser, SelectionModel
from onestory_cli.models.transformer import RotaryEmbedding, rotary_embedding
from onestory_cli.planning.jobs import MemoryJob, ShotJob


@dataclass(frozen=True, kw_only=True)
class MemoryLimits:
    """How much a shot remembers: at most `frames` frames, `budget` latent frames of tokens, at these `levels`.

    `size` is (height, width) in latent cells.
    """

    frames: int
    budget: float
    levels: tuple[Level, ...]
    size: tuple[int, int]

    def allocate(self, frames: int) -> list[Level]:
        """Levels of `frames` frames, the most relevant first; fewer if the budget is too small."""
        height, width = self.size
        return allocate(frames, self.budget, height=height, width=width, levels=self.levels)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Bank positions (B, K) of the selected frames, the most relevant first, and the level of each rank."""

    positions_BK: Tensor
    levels: tuple[Level, ...]


@dataclass(frozen=True, kw_only=True)
class RecallResult:
    """What a shot remembers: bank positions, the same frames with score and cost, and all scores by source.

    A shot without a cut also starts from a remembered frame: `selection` begins with it if `starts`.
    """

    positions: Selection
    selection: tuple[SelectedFrame, ...]
    scores: dict[str, tuple[float, ...]]
    starts: bool = False

    @property
    def context_tokens(self) -> int:
        """Tokens of all selected frames."""
        return sum(frame.tokens for frame in self.selection)


@dataclass(frozen=True, kw_only=True)
class Context:
    """The context tokens of a shot and their rotary embedding."""

    tokens_BSD: Tensor
    rope: RotaryEmbedding


@torch.inference_mode()
def recall(model: SelectionModel, job: ShotJob, bank: MemoryBank) -> RecallResult:
    """Score all visible frames and select by the job's policy, within its budget (OneStory Eq. 2-7)."""
    memory, refs = job.memory, bank.refs
    scores_BF = model.relevance(job.caption, bank, memory.policy)
    limits = MemoryLimits(
        frames=memory.frames,
        budget=memory.budget,
        levels=model.spec.levels,
        size=model.spec.latent_size(job.width, job.height),
    )
    places = model.candidates(bank)
    shown = [item.sources for item in memory.shown]
    seen = [refs[place] for place in places]
    if memory.policy == "storymem" and model.spec.remembers == "keyframes":
        seen = [FrameRef(str(ref), 0) for ref in seen]  # it takes one frame of each source, and all of these are keys
    within = select(memory.policy, scores_BF[:, places], seen, limits, [shown])
    positions_BK = torch.tensor(places, dtype=torch.long)[within.positions_BK]
    selected = replace(within, positions_BK=positions_BK)
    values = scores_BF[0].tolist()
    scores: dict[str, tuple[float, ...]] = {}
    for ref, value in zip(refs, values, strict=True):
        scores[ref.source] = (*scores.get(ref.source, ()), value)
    frames = _frames(selected, refs, values, limits.size, memory)
    if memory.continues:
        last = Selection(positions_BK=torch.tensor([[len(refs) - 1]]), levels=(FIRST_FRAME,))
        frames = (*_frames(last, refs, values, limits.size), *frames)
    return RecallResult(positions=selected, selection=frames, scores=scores, starts=memory.continues)


def _frames(
    selected: Selection,
    refs: Sequence[FrameRef],
    values: Sequence[float],
    size: tuple[int, int],
    memory: MemoryJob | None = None,
) -> tuple[SelectedFrame, ...]:
    return tuple(
        SelectedFrame(
            source=refs[position].source,
            digest="",
            index=refs[position].index,
            score=values[position],
            level=memory.level_of(refs[position].source, level.name) if memory else level.name,
            tokens=level.tokens(*size),
        )
        for position, level in zip(selected.positions_BK[0].tolist(), selected.levels, strict=True)
    )


def select(
    policy: str,
    scores_BF: Tensor,
    refs: Sequence[FrameRef],
    limits: MemoryLimits,
    shown_B: Sequence[ShownSources] = (),
) -> Selection:
    """The frames that a policy selects, at most as many as the budget allows, and their levels (OneStory Eq. 6).

    `shown_B` has, for every row, the sources that show what its caption names; empty if the policy does not read it.
    """
    frames = len(limits.allocate(limits.frames))
    rows = [
        choose(policy, row, refs, frames, shown)
        for row, shown in zip(scores_BF.tolist(), shown_B or [()] * len(scores_BF), strict=True)
    ]
    positions_BK = torch.tensor(rows, dtype=torch.long).reshape(len(rows), -1)
    return Selection(positions_BK=positions_BK, levels=tuple(limits.allocate(positions_BK.shape[1])))


def condition(denoiser: Denoiser, selected_BKCHW: Tensor, levels: Sequence[Level], *, expert: int = 0) -> Context:
    """Context tokens of the selected frames, each at its level (OneStory Eq. 7), for one expert."""
    height, width = selected_BKCHW.shape[-2:]
    conditioner, transformer = denoiser.conditioners[expert], denoiser.transformers[expert]
    tokens_BSD = conditioner(selected_BKCHW, levels, _on_device(transformer.patch_embedding, selected_BKCHW))
    positions_S3 = context_positions(levels, height=height, width=width, finest=denoiser.spec.levels[0])
    rope = rotary_embedding(positions_S3, head_dim=transformer.config.attention_head_dim)
    return Context(tokens_BSD=tokens_BSD, rope=rope)


def empty_context(denoiser: Denoiser, rows: int) -> Context:
    """The context of shots without memory."""
    rope = rotary_embedding(torch.zeros(0, 3), head_dim=denoiser.transformers[0].config.attention_head_dim)
    return Context(tokens_BSD=torch.zeros(rows, 0, 1, device=denoiser.device), rope=rope)


def _on_device(module: nn.Module, value: Tensor) -> Any:
    """The module, or a copy of it on the value's device if its weights are offloaded."""
    is_there = next(module.parameters()).device == value.device
    return module if is_there else copy.deepcopy(module).to(value.device)


def gather(memory_BF: Tensor, selected_BK: Tensor) -> Tensor:
    """Index `memory_BF` (B, F, ...) with `selected_BK` (B, K) -> (B, K, ...)."""
    rows_B1 = torch.arange(len(memory_BF), device=memory_BF.device)[:, None]
    return memory_BF[rows_B1, selected_BK.to(memory_BF.device)]
