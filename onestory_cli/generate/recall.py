"""What one caption takes from one bank. Needs the reader of a model alone, so that a take can be checked for little.

Shape letters: B batch, F bank frames, K selected frames, L text tokens, E text width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from onestory_cli.generate.remember import choose, score
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.levels import allocate
from onestory_cli.models.load import Reader
from onestory_cli.plan.jobs import ShotJob


@dataclass(frozen=True, kw_only=True)
class SelectedFrame:
    """One remembered frame: where it is from, its relevance, and what it cost."""

    shot: str
    index: int
    score: float
    level: str
    tokens: int


@dataclass(frozen=True, kw_only=True)
class Recalled:
    """The selection in order of relevance and the scores of all visible frames by source; `chosen_BK` are positions.

    `chosen_BK` has all K chosen frames; `selection` ends where the budget does.
    """

    chosen_BK: Tensor
    selection: tuple[SelectedFrame, ...]
    scores: dict[str, tuple[float, ...]]

    @property
    def context_tokens(self) -> int:
        return sum(frame.tokens for frame in self.selection)


@torch.inference_mode()
def recall(model: Reader, job: ShotJob, bank: MemoryBank, text_BLE: Tensor | None = None) -> Recalled:
    """Score all visible frames and select by the job's policy, within its budget (OneStory Eq. 2-7)."""
    text_BLE = model.encode_text([job.caption]) if text_BLE is None else text_BLE
    refs = bank.refs
    scores_BF = score(model, bank.frames_FCHW[None], bank.ages_F, bank.times_F, text_BLE)
    chosen_BK = choose(job.memory.policy, scores_BF, refs, job.memory.frames)
    values, positions = scores_BF[0].tolist(), chosen_BK[0].tolist()
    height, width = model.spec.latent_size(job.width, job.height)
    levels = allocate(len(positions), job.memory.budget, height=height, width=width, levels=model.spec.levels)
    selection = tuple(
        SelectedFrame(
            shot=refs[position].source,
            index=refs[position].index,
            score=values[position],
            level=level.name,
            tokens=level.tokens(height, width),
        )
        for position, level in zip(positions, levels, strict=False)  # the budget may end sooner
    )
    scores: dict[str, tuple[float, ...]] = {}
    for ref, value in zip(refs, values, strict=True):
        scores[ref.source] = (*scores.get(ref.source, ()), value)
    return Recalled(chosen_BK=chosen_BK, selection=selection, scores=scores)
