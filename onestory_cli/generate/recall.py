"""What one caption takes from one bank. Needs the reader of a model alone, so that a take can be checked for little.

Shape letters: B batch, F bank frames, K selected frames, L text tokens, E text width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from onestory_cli.generate.selection import Selection, score, select
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.memory.frames import SelectedFrame
from onestory_cli.memory.policies import needs_scores
from onestory_cli.models.image_text_scorer import latents_digest
from onestory_cli.models.model import Eyes, Reader
from onestory_cli.planning.jobs import ShotJob


@dataclass(frozen=True, kw_only=True)
class RecallResult:
    """The selection in order of relevance, as positions in the bank and told, and all visible scores by source."""

    choice: Selection
    selection: tuple[SelectedFrame, ...]
    scores: dict[str, tuple[float, ...]]

    @property
    def context_tokens(self) -> int:
        return sum(frame.tokens for frame in self.selection)


def relevance(model: Reader | Eyes, job: ShotJob, bank: MemoryBank, text_BLE: Tensor | None = None) -> Tensor:
    """Relevance (1, F) of every visible frame to the caption: by the adapter's selector, or by how well the frame's
    picture fits the words. Without an adapter a policy that goes by place alone gets zeros: looking is dear.
    """
    if isinstance(model, Reader) and model.spec.remembers == "context":
        text_BLE = model.read(job.caption) if text_BLE is None else text_BLE
        return score(model, bank.frames_FCHW[None], bank.ages_F, bank.times_F, text_BLE)
    assert isinstance(model, Eyes)
    if not needs_scores(job.memory.policy):
        return torch.zeros(1, len(bank.refs))
    views = [_views(model, bank.latents(source)) for source in bank.sources]
    return model.scorer.score(job.caption, torch.cat(views))[None] if views else torch.zeros(1, 0)


def _views(model: Eyes, latents_CTHW: Tensor) -> Tensor:
    return model.scorer.views(latents_digest(latents_CTHW), lambda: model.pictures(latents_CTHW))


@torch.inference_mode()
def recall(model: Reader | Eyes, job: ShotJob, bank: MemoryBank, text_BLE: Tensor | None = None) -> RecallResult:
    """Score all visible frames and select by the job's policy, within its budget (OneStory Eq. 2-7)."""
    refs = bank.refs
    scores_BF = relevance(model, job, bank, text_BLE)
    memory, size = job.memory, model.spec.latent_size(job.width, job.height)
    shown = [item.sources for item in memory.shown]
    choice = select(
        model, memory.policy, scores_BF, refs, frames=memory.frames, budget=memory.budget, size=size, shown_B=[shown]
    )
    values = scores_BF[0].tolist()
    selection = tuple(
        SelectedFrame(
            source=refs[position].source,
            digest="",
            index=refs[position].index,
            score=values[position],
            level=level.name,
            tokens=level.tokens(*size),
        )
        for position, level in zip(choice.positions_BK[0].tolist(), choice.levels, strict=True)
    )
    scores: dict[str, tuple[float, ...]] = {}
    for ref, value in zip(refs, values, strict=True):
        scores[ref.source] = (*scores.get(ref.source, ()), value)
    return RecallResult(choice=choice, selection=selection, scores=scores)
