"""Which frames condition a shot: adaptive | coverage | recent | uniform | last | none, one signature.

Each policy takes the scores and the origins of all F visible frames and returns positions in 0..F-1, the most relevant
first, at most `frames` of them. `shown` has, for each character and setting that the caption names, the sources that
show it. A new policy is one function and one row. No torch here: a plan asks these too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class FrameRef:
    """One latent frame: which source (a shot id, or "@id" for a reference image) and which of its frames."""

    source: str
    index: int


Shown = Sequence[Collection[str]]


class Policy(Protocol):
    """See above; the order of `shown` means nothing."""

    def __call__(
        self, scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: Shown = (), /
    ) -> list[int]: ...


def adaptive(scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: Shown = ()) -> list[int]:
    """The frames of the highest relevance (OneStory Eq. 6); of equals, the earlier one."""
    return sorted(range(len(refs)), key=lambda position: (-scores[position], position))[:frames]


def coverage(scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: Shown = ()) -> list[int]:
    """Adaptive, but first the best frame of each that the caption names, if any was ever shown.

    First, because that is where the fine levels are: the frames of one shot are near copies of each other, and alike in
    relevance, so that they fill those levels with one of two characters. Where `frames` are too few for all, those
    whose best frame is the most relevant have theirs.
    """
    ranked = adaptive(scores, refs, len(refs))
    best = {next((place for place in ranked if refs[place].source in sources), None) for sources in shown}
    return sorted(ranked, key=lambda place: place not in best)[:frames]


def recent(scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: Shown = ()) -> list[int]:
    """The latest frames, latest first: what a model with a fixed window remembers."""
    return list(range(len(refs) - 1, -1, -1))[:frames]


def uniform(scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: Shown = ()) -> list[int]:
    """Frames spread evenly over the whole memory, latest first."""
    count = min(frames, len(refs))
    return [len(refs) - 1 - step * len(refs) // count for step in range(count)]


def last(scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: Shown = ()) -> list[int]:
    """Only the last frame of the last source: continuation of the shot before."""
    return [len(refs) - 1] if refs and frames else []


def none(scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: Shown = ()) -> list[int]:
    """Nothing: every shot from its caption alone."""
    return []


POLICIES: dict[str, Policy] = {
    "adaptive": adaptive,
    "coverage": coverage,
    "recent": recent,
    "uniform": uniform,
    "last": last,
    "none": none,
}


def needs_scores(policy: str) -> bool:
    """Whether a policy asks how relevant a frame is, or goes by its place alone."""
    return policy in ("adaptive", "coverage")
