"""Memory policies: which frames condition a shot. No torch here, because `onestory plan` calls them too.

A policy takes the scores and references of all F visible frames and returns at most `frames` positions in 0..F-1, the
most relevant first. A package adds one by an entry point in the group `onestory.policies`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import index
from typing import Protocol

from onestory_cli.errors import OnestoryError, shorten
from onestory_cli.utils.plugins import PluginTable

MAX_KEYFRAMES = 3  # of one source, for a base that reads keyframes (StoryMem)


@dataclass(frozen=True)
class FrameRef:
    """A latent frame of the bank: its source (a shot id, or "@id" for a reference image) and its index there."""

    source: str
    index: int


@dataclass(frozen=True, kw_only=True)
class SelectedFrame:
    """A frame that a shot remembers: latent frame `index` of the source whose latents have `digest`, and its cost.

    Digest, index and level determine what the transformer reads. Source and score are informative. `digest` is ""
    until the render adds it: the selection itself compares no digests.
    """

    source: str
    digest: str
    index: int
    score: float
    level: str
    tokens: int

    def __str__(self) -> str:
        return f"{self.source}[{self.index}]"


FIXED_FRAMES = 3  # that the policy `storymem` never forgets
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


def storymem(scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: ShownSources = ()) -> list[int]:
    """The last frame of each of the first three and of the latest sources, latest first.

    StoryMem keeps keyframes like this (pipeline.py, --fix); at most half of `frames` are of the first sources.
    """
    keys = [place for place, ref in enumerate(refs) if place + 1 == len(refs) or refs[place + 1].source != ref.source]
    first = keys[: min(FIXED_FRAMES, frames // 2)]
    latest = [place for place in keys[::-1] if place not in first]
    return sorted((*first, *latest[: frames - len(first)]), reverse=True)


def none(scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: ShownSources = ()) -> list[int]:
    """No frames: every shot is generated from its caption alone."""
    return []


POLICIES: PluginTable[Policy] = PluginTable(
    "onestory.policies",
    {
        "adaptive": adaptive,
        "coverage": coverage,
        "recent": recent,
        "uniform": uniform,
        "last": last,
        "storymem": storymem,
        "none": none,
    },
)
_SCORED = frozenset({"adaptive", "coverage"})


def needs_scores(policy: str) -> bool:
    """Whether a policy reads the relevance scores; the others use positions only.

    A plug-in reads them unless its function has an attribute `needs_scores` that is false.
    """
    return policy in _SCORED if policy in POLICIES.builtin else bool(getattr(POLICIES[policy], "needs_scores", True))


def needs_shown(policy: str) -> bool:
    """Whether a policy reads which sources show what the caption names.

    A plug-in does if its function has an attribute `needs_shown` that is true.
    """
    return policy == "coverage" if policy in POLICIES.builtin else bool(getattr(POLICIES[policy], "needs_shown", False))


def choose(
    policy: str, scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: ShownSources = ()
) -> list[int]:
    """The positions that a policy selects.

    Raises:
        OnestoryError: M533 if a plug-in cannot be loaded, M534 if it fails or returns impossible positions.
    """
    function = POLICIES[policy]
    if policy in POLICIES.builtin:
        return function(scores, refs, frames, shown)
    try:
        chosen = [index(item) for item in function(scores, refs, frames, shown)]
    except Exception as fault:  # code of another package
        raise _faulty(policy, f"failed: {type(fault).__name__}: {shorten(fault, 200)}") from fault
    if len(chosen) > frames or len(set(chosen)) < len(chosen) or not all(0 <= item < len(refs) for item in chosen):
        raise _faulty(policy, f"returned {shorten(chosen)} for {frames} of {len(refs)} frames")
    return chosen


def choose_pictures(
    policy: str, scores: Sequence[float], refs: Sequence[FrameRef], frames: int, shown: ShownSources = ()
) -> list[int]:
    """As `choose`, for a model that reads pictures: reference images ("@id") come first, in film order."""
    given = [place for place, ref in enumerate(refs) if ref.source.startswith("@")]
    rest = [place for place, ref in enumerate(refs) if not ref.source.startswith("@")]
    values = [scores[place] for place in rest] if scores else scores
    chosen = choose(policy, values, [refs[place] for place in rest], frames, shown)
    return [*given, *(rest[place] for place in chosen)][:frames]


def _faulty(policy: str, what: str) -> OnestoryError:
    help = "a policy returns at most `frames` different positions; report this to the authors of the package"
    return OnestoryError("M534", f'the memory policy "{POLICIES.identity(policy)}" {what}', help=help)
