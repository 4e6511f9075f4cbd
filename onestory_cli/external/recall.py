"""Select the pictures that an external model remembers. Only policies that need scores load an image-text model.

Shape letters: T pictures of one source, H W pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import ref

from onestory_cli.memory.policies import FrameRef, SelectedFrame, choose_pictures, needs_scores
from onestory_cli.models.spec import ModelSpec
from onestory_cli.planning.jobs import ShotJob

if TYPE_CHECKING:
    import numpy as np

    from onestory_cli.models.image_text_scorer import ImageTextScorer

Memory = Mapping[str, "np.ndarray"]  # source -> pictures (3, T, H, W) uint8, in film order


@dataclass(frozen=True, kw_only=True)
class PictureSelection:
    """The selected pictures, in order of relevance, and the scores of all by source. They cost no tokens."""

    selection: tuple[SelectedFrame, ...]
    scores: Mapping[str, tuple[float, ...]]
    context_tokens: int = 0


class PictureRecall:
    """Selects pictures for one model. The embeddings of a source are computed once."""

    def __init__(self, spec: ModelSpec, device: str) -> None:
        self._spec, self._device = spec, device
        self._scorer: ImageTextScorer | None = None
        self._digests: dict[str, tuple[ref[np.ndarray], bytes]] = {}

    def recall(self, job: ShotJob, memory: Memory) -> PictureSelection:
        """The pictures that a shot remembers, at most `job.memory.frames`."""
        scores = self._scores(job, memory)
        refs = [FrameRef(source, index) for source, row in scores.items() for index in range(len(row))]
        values = [score for row in scores.values() for score in row]
        wanted, level = job.memory, self._spec.levels[0].name
        shown = [item.sources for item in wanted.shown]
        chosen = choose_pictures(wanted.policy, values, refs, wanted.frames, shown)
        selection = tuple(
            SelectedFrame(
                source=refs[place].source,
                digest="",
                index=refs[place].index,
                score=values[place],
                level=wanted.level_of(refs[place].source, level),
                tokens=0,
            )
            for place in chosen
        )
        return PictureSelection(selection=selection, scores=scores)

    def _scores(self, job: ShotJob, memory: Memory) -> dict[str, tuple[float, ...]]:
        """The relevance of every picture; 0 if the policy needs none."""
        if not memory or not needs_scores(job.memory.policy):
            return {source: (0.0,) * pictures.shape[1] for source, pictures in memory.items()}
        return {source: self._relevance(job.caption, source, pictures) for source, pictures in memory.items()}

    def _relevance(self, caption: str, source: str, pictures_CTHW: np.ndarray) -> tuple[float, ...]:
        if self._scorer is None:
            from onestory_cli.models.load import load_scorer, pick_device

            self._scorer = load_scorer(self._spec, pick_device(self._device))
        embeds_FD = self._scorer.embed(self._digest(source, pictures_CTHW), lambda: pictures_CTHW.transpose(1, 2, 3, 0))
        return tuple(self._scorer.score(caption, embeds_FD).tolist())

    def _digest(self, source: str, pictures_CTHW: np.ndarray) -> bytes:
        """The digest of the pictures of a source. It is computed once, because a long film has gigabytes of them."""
        known = self._digests.get(source)
        if known and known[0]() is pictures_CTHW:
            return known[1]
        digest = _digest(pictures_CTHW)
        self._digests[source] = ref(pictures_CTHW), digest
        return digest


def pictures_of(memory: Memory, selection: Sequence[SelectedFrame]) -> list[np.ndarray]:
    """The remembered pictures in order, each (H, W, 3) uint8."""
    return [memory[frame.source][:, frame.index].transpose(1, 2, 0) for frame in selection]


def _digest(pictures_CTHW: np.ndarray) -> bytes:
    import numpy as np

    return hashlib.sha256(np.ascontiguousarray(pictures_CTHW).data).digest()
