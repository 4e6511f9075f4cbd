"""Whether a take still remembers the same, though its memory changed: the same frames by content, at the same levels.

Scores decide order and level and never enter a token, so two selections are one when digest, index and level agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from onestory_cli.memory.frames import FrameRef, SelectedFrame
from onestory_cli.memory.levels import allocate
from onestory_cli.memory.policies import POLICIES, needs_scores
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.planning.jobs import ShotJob
from onestory_cli.store.record import MemoryState

Digests = Mapping[str, str | None]  # source of memory -> digest; None while its take is still to be made


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """Latent frame `index` of a source of memory whose latents have this digest."""

    source: str
    digest: str | None
    index: int


@dataclass(frozen=True, kw_only=True)
class Pick:
    """A frame that a policy picks by its place alone, and the level that it gets."""

    source: str
    index: int
    level: str


def picks_without_scores(job: ShotJob, lengths: Mapping[str, int], model: ModelSpec) -> tuple[Pick, ...] | None:
    """What a shot selects of sources of `lengths` latent frames, or None where its policy asks for relevance."""
    memory = job.memory
    if needs_scores(memory.policy):
        return None
    height, width = model.latent_size(job.width, job.height)
    table = partial(allocate, budget=memory.budget, height=height, width=width, levels=model.levels)
    refs = [FrameRef(source, index) for source in memory.sources for index in range(lengths[source])]
    chosen = [refs[position] for position in POLICIES[memory.policy]((), refs, len(table(memory.frames)))]
    levels = table(len(chosen))
    return tuple(
        Pick(source=ref.source, index=ref.index, level=level.name) for ref, level in zip(chosen, levels, strict=True)
    )


def still_picked(before: MemoryState, picks: Sequence[Pick], visible: Digests) -> MemoryState | None:
    """The memory state of a take whose frames are these picks of what is visible; None where they are others.

    Scores are those of the making; a source that came later has none.
    """
    if _contents(before.selected) != [(visible[pick.source], pick.index, pick.level) for pick in picks]:
        return None
    known = {source: digest for source, digest in visible.items() if digest is not None}
    scores = {before.visible[source]: row for source, row in before.scores.items()}
    return replace(
        before,
        visible=known,
        scores={source: scores[digest] for source, digest in known.items() if digest in scores},
        selected=tuple(replace(frame, source=pick.source) for frame, pick in zip(before.selected, picks, strict=True)),
    )


def same_frames(before: MemoryState, now: MemoryState) -> bool:
    """Whether two selections give the transformer the same tokens."""
    return _contents(before.selected) == _contents(now.selected)


def can_be_same(before: MemoryState, visible: Digests) -> bool:
    """Whether all that was remembered is still there to be selected; everything visible must be known."""
    return {frame.digest for frame in before.selected} <= set(visible.values())


def frames_text(frames: Iterable[SelectedFrame | Pointer]) -> str:
    """Remembered frames in order of relevance, by source: "opening[2,3], city[0]"."""
    by_source: dict[str, list[str]] = {}
    for frame in frames:
        by_source.setdefault(frame.source, []).append(str(frame.index))
    return ", ".join(f"{source}[{','.join(indices)}]" for source, indices in by_source.items()) or "nothing"


def memory_changes(before: MemoryState, visible: Digests) -> Iterator[str]:
    """What else a shot sees than its take did: sources that differ, those that came, and those that went."""
    changed = [source for source, digest in before.visible.items() if visible.get(source, digest) != digest]
    remembered = {source: [frame for frame in before.selected if frame.source == source] for source in changed}
    for source in sorted(changed, key=lambda source: not remembered[source]):
        yield f"{frames_text(remembered[source]) if remembered[source] else source} differs"
    if came := [source for source in visible if source not in before.visible]:
        yield f"sees {', '.join(came)} now"
    if went := [source for source in before.visible if source not in visible]:
        yield f"no longer sees {', '.join(went)}"
    if list(before.visible.items()) == list(visible.items()):
        yield "others show what its caption names"  # a take of the same spec and memory: nothing else can differ
    elif set(before.visible.items()) == set(visible.items()):
        yield "sees the same in another order"


def selection_changes(before: MemoryState, visible: Digests, now: Sequence[Pointer]) -> Iterator[str]:
    """What a shot remembers no more, each with its cause, and what it remembers instead.

    `now` is what is selected, and empty where that was not asked because frames are not there to be selected.
    """
    there = [frame for frame in before.selected if frame.digest in visible.values()]
    missing = [frame for frame in before.selected if frame not in there]
    differing = [frame for frame in missing if frame.source in visible]
    if differing:
        yield f"{frames_text(differing)} differs"
    if unseen := [frame for frame in missing if frame not in differing]:
        yield f"no longer sees {frames_text(unseen)}"
    if not now:
        return
    kept = {(frame.digest, frame.index) for frame in before.selected}
    picked = {(frame.digest, frame.index) for frame in now}
    if left := [frame for frame in there if (frame.digest, frame.index) not in picked]:
        yield f"no longer selects {frames_text(left)}"
    sources = {frame.source for frame in differing}
    if new := [frame for frame in now if (frame.digest, frame.index) not in kept and frame.source not in sources]:
        yield f"selects {frames_text(new)}"
    elif not (missing or left):
        yield "selects the same in another order or at other levels"


def _contents(frames: Iterable[SelectedFrame]) -> list[tuple[str | None, int, str]]:
    return [(frame.digest, frame.index, frame.level) for frame in frames]
