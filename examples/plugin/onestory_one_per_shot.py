"""A memory policy for onestory: remember many shots, with one frame of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any


def one_per_shot(
    scores: Sequence[float], refs: Sequence[Any], frames: int, shown: Sequence[Collection[str]] = ()
) -> list[int]:
    """The most relevant frame of each source first, then the other frames by relevance.

    `scores` and `refs` describe all visible frames; `refs[i].source` is a shot id, or "@id" for a reference picture.
    Returns at most `frames` positions. Equal inputs must give equal results.
    """
    ranked = sorted(range(len(refs)), key=lambda position: (-scores[position], position))
    best = {refs[position].source: position for position in reversed(ranked)}
    return sorted(ranked, key=lambda position: best[refs[position].source] != position)[:frames]


one_per_shot.needs_scores = True  # false for a policy that uses positions only: selection is then known to `plan`
one_per_shot.needs_shown = False  # true for a policy that uses `shown`, the sources of each $id in the caption
