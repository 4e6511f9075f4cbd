"""Which frames condition a shot: adaptive | recent | uniform | last | none, one signature.

Each policy takes the scores and the origins of all F visible frames and returns positions in 0..F-1, the most relevant
first, at most `frames` of them. A new policy is one function and one row. No torch here: a plan asks these too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FrameRef:
    """One latent frame: which source (a shot id, or "@id" for a reference image) and which of its frames."""

    source: str
    index: int


Policy = Callable[[Sequence[float], Sequence[FrameRef], int], list[int]]


def adaptive(scores: Sequence[float], refs: Sequence[FrameRef], frames: int) -> list[int]:
    """The frames of the highest relevance (OneStory Eq. 6); of equals, the earlier one."""
    return sorted(range(len(refs)), key=lambda position: (-scores[position], position))[:frames]


def recent(scores: Sequence[float], refs: Sequence[FrameRef], frames: int) -> list[int]:
    """The latest frames, latest first: what a model with a fixed window remembers."""
    return list(range(len(refs) - 1, -1, -1))[:frames]


def uniform(scores: Sequence[float], refs: Sequence[FrameRef], frames: int) -> list[int]:
    """Frames spread evenly over the whole memory, latest first."""
    count = min(frames, len(refs))
    return [len(refs) - 1 - step * len(refs) // count for step in range(count)]


def last(scores: Sequence[float], refs: Sequence[FrameRef], frames: int) -> list[int]:
    """Only the last frame of the last source: continuation of the shot before."""
    return [len(refs) - 1] if refs and frames else []


def none(scores: Sequence[float], refs: Sequence[FrameRef], frames: int) -> list[int]:
    """Nothing: every shot from its caption alone."""
    return []


POLICIES: dict[str, Policy] = {
    "adaptive": adaptive,
    "recent": recent,
    "uniform": uniform,
    "last": last,
    "none": none,
}


def needs_scores(policy: str) -> bool:
    """Whether a policy asks how relevant a frame is, or goes by its place alone."""
    return policy == "adaptive"
