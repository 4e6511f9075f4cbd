"""Memory policies: which frames condition a shot. No torch here, because `onestory plan` calls them too.

A policy takes the scores and references of all F visible frames and returns at most `frames` positions in 0..F-1, the
most relevant first. To add a policy, write one function and add it to `POLICIES`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from onestory_cli.memory.frames import FrameRef

# For each character and setting that the caption names: the sources that show it, in any order.
ShownSources = Sequence[Collection[str]]


class Policy(Protocol):
    """A memory policy: (scores, refs, frames, shown) -> positions, the most relevant first."""

    def __call__(
        self, scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: ShownSources = (), /
    ) -> list[int]: ...


def adaptive(scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: ShownSources = ()) -> list[int]:
    """The most relevant frames (OneStory Eq. 6). The earlier frame wins a tie."""
    return sorted(range(len(refs)), key=lambda position: (-scores[position], position))[:frames]


def coverage(scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: ShownSources = ()) -> list[int]:
    """As `adaptive`, but the best frame of each character and setting that the caption names comes first.

    The first positions get the fine levels. Frames of one shot are near copies with nearly equal relevance, so without
    this rule one of two characters takes all fine levels. If `frames` is too small for all of them, those whose best
    frame is the most relevant win.
    """
    ranked = adaptive(scores, refs, len(refs))
    best = {next((place for place in ranked if refs[place].source in sources), None) for sources in shown}
    return sorted(ranked, key=lambda place: place not in best)[:frames]


def recent(scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: ShownSources = ()) -> list[int]:
    """The latest frames, latest first: the memory of a model with a fixed window."""
    return list(range(len(refs) - 1, -1, -1))[:frames]


def uniform(scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: ShownSources = ()) -> list[int]:
    """Frames spread evenly over the whole memory, latest first."""
    count = min(frames, len(refs))
    return [len(refs) - 1 - step * len(refs) // count for step in range(count)]


def last(scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: ShownSources = ()) -> list[int]:
    """Only the last frame of the previous source, which the new shot continues."""
    return [len(refs) - 1] if refs and frames else []


def none(scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: ShownSources = ()) -> list[int]:
    """No frames: every shot is generated from its caption alone."""
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
    """Whether a policy reads the relevance scores; the others use positions only."""
    return policy in ("adaptive", "coverage")
