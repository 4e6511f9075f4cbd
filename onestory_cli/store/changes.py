"""The differences between a take and its shot as it is now: fields of its spec, and the frames that it remembers.

Two selections are equal if their frames agree in digest, index and level, in this order. Scores determine the order and
the levels only, never the tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from onestory_cli.errors import shorten
from onestory_cli.memory.levels import allocate
from onestory_cli.memory.policies import FrameRef, SelectedFrame, choose, choose_pictures, needs_scores
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.planning.jobs import Reason, ReasonKind, ShotJob
from onestory_cli.store.keys import KINDS, Field, Spec, spec_fields
from onestory_cli.store.record import MemoryState, Record
from onestory_cli.utils.text import format_frames

VISIBLE = "visible_memory"  # replaces the memory settings when a shot starts or stops seeing memory
NOTHING = "nothing"
ABSENT: Spec = {"memory_guidance": 0.0, "memory_crop": "none"}  # the values of fields that a spec may omit


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """A field of a spec, its old value and its new one."""

    field: str
    old: Field
    new: Field

    def __str__(self) -> str:
        return f"{self.field.replace('_', ' ')} {shorten(self.old, 24)} -> {shorten(self.new, 24)}"


def changed_fields(old: Spec, new: Spec) -> tuple[FieldChange, ...]:
    """The fields that differ, in the order of `new`."""
    names = dict.fromkeys((*new, *old))
    before, now = ({name: spec.get(name, ABSENT.get(name)) for name in names} for spec in (old, new))
    return tuple(
        FieldChange(field=name, old=before[name], new=now[name]) for name in names if before[name] != now[name]
    )


def changes_since(record: Record, job: ShotJob, model_fingerprint: str) -> tuple[FieldChange, ...]:
    """The differences between the spec of a take and that of its shot now.

    A seed is described as the author gave it. If a shot starts or stops seeing memory, what it sees is described
    instead of its memory settings.
    """
    changes = changed_fields(record.spec, spec_fields(job, model_fingerprint))
    saw, sees = bool(record.spec["memory_frames"]), bool(job.memory.sources)
    described = [_seed_change(record, job) if change.field == "seed" else change for change in changes]
    if saw == sees:
        return tuple(described)
    return (
        *(change for change in described if not change.field.startswith("memory_")),
        *_visibility(record, job, changes),
    )


def reason_of(changes: tuple[FieldChange, ...]) -> Reason:
    """The Reason for changes: the most important kind names it. Settings are listed in full, other kinds by name."""
    kinds = {_kind(change) for change in changes}
    order = dict.fromkeys((*KINDS.values(), ReasonKind.MEMORY))
    kind = next(item for item in order if item in kinds)
    settings = [str(change) for change in changes if _kind(change) is ReasonKind.SETTINGS]
    visibility = [_visible(change) for change in changes if change.field == VISIBLE]
    if kind in (ReasonKind.SETTINGS, ReasonKind.MEMORY):
        return Reason(kind=kind, detail=", ".join((*settings, *visibility)))
    listed = (kind, ReasonKind.SETTINGS, ReasonKind.MEMORY)
    also = [*(str(item) for item in order if item in kinds and item not in listed), *settings, *visibility]
    return Reason(kind=kind, detail=f"also {', '.join(also)}" if also else "")


def _kind(change: FieldChange) -> ReasonKind:
    return ReasonKind.MEMORY if change.field == VISIBLE else KINDS.get(change.field, ReasonKind.MODEL)


def _visible(change: FieldChange) -> str:
    return f"sees {shorten(change.new)} now, {shorten(change.old)} before"


def _visibility(record: Record, job: ShotJob, changes: tuple[FieldChange, ...]) -> Iterator[FieldChange]:
    """The changes of a shot that starts or stops seeing memory: its own settings, or else the visible sources."""
    memory = job.memory
    off = {"memory_frames": memory.frames == 0, "memory_budget": memory.budget == 0}
    off["memory_policy"] = memory.policy == "none"
    if any(off.values()):
        yield from (change for change in changes if off.get(change.field))
    else:
        old, new = (", ".join(sources) or NOTHING for sources in (record.memory.visible, memory.sources))
        yield FieldChange(field=VISIBLE, old=old, new=new)


def _seed_change(record: Record, job: ShotJob) -> FieldChange:
    old = seed_text(record.seed_base, given=record.seed_given, take=0 if record.own_seed is not None else record.take)
    given = job.seed_rule.given and job.seed == job.seed_rule.base
    new = seed_text(job.seed_rule.base, given=job.seed_rule.given, take=0 if given else job.take)
    return FieldChange(field="seed", old=old, new=new)


def seed_text(base: int, *, given: bool, take: int) -> str:
    """The origin of a seed: "11", "the story's 7", "the story's 7, take 2"."""
    return (str(base) if given else f"the story's {base}") + (f", take {take}" if take else "")


Digests = Mapping[str, str | None]  # source of memory -> digest; None while its take is not rendered yet


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """Latent frame `index` of a source of memory whose latents have `digest`."""

    source: str
    digest: str | None
    index: int


@dataclass(frozen=True, kw_only=True)
class Pick:
    """A frame that a policy selects by position, and the level that it gets."""

    source: str
    index: int
    level: str


def picks_without_scores(job: ShotJob, lengths: Mapping[str, int], model: ModelSpec) -> tuple[Pick, ...] | None:
    """The selection of a shot from sources of `lengths` latent frames; None if its policy needs relevance scores."""
    memory = job.memory
    if needs_scores(memory.policy):
        return None
    height, width = model.latent_size(job.width, job.height)
    table = partial(allocate, budget=memory.budget, height=height, width=width, levels=model.levels)
    refs = [FrameRef(source, index) for source in memory.sources for index in range(lengths[source])]
    select = choose_pictures if model.external else choose
    chosen = [refs[position] for position in select(memory.policy, (), refs, len(table(memory.frames)))]
    levels = table(len(chosen))
    return tuple(
        Pick(source=ref.source, index=ref.index, level=memory.level_of(ref.source, level.name))
        for ref, level in zip(chosen, levels, strict=True)
    )


def still_picked(
    before: MemoryState, picks: Sequence[Pick], visible: Digests, cropped: tuple[str, ...]
) -> MemoryState | None:
    """The memory state of a take in a changed memory, if its frames are exactly `picks`; else None.

    Scores are those of the render; a source that became visible later has none. `cropped` are the sources that are
    cropped now.
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
        cropped=cropped,
    )


def same_frames(before: MemoryState, now: MemoryState) -> bool:
    """Whether two selections give the transformer the same tokens."""
    return _contents(before.selected) == _contents(now.selected)


def can_be_same(before: MemoryState, visible: Digests) -> bool:
    """Whether all selected frames are still visible. All digests in `visible` must be known."""
    return {frame.digest for frame in before.selected} <= set(visible.values())


def frames_text(frames: Iterable[SelectedFrame | Pointer]) -> str:
    """Frames in order of relevance, by source: "opening[2,3], city[0]"."""
    return format_frames((frame.source, frame.index) for frame in frames) or "nothing"


def memory_changes(before: MemoryState, visible: Digests) -> Iterator[str]:
    """The differences between the memory that a take saw and the memory that is visible now."""
    changed = [source for source, digest in before.visible.items() if visible.get(source, digest) != digest]
    remembered = {source: [frame for frame in before.selected if frame.source == source] for source in changed}
    for source in sorted(changed, key=lambda source: not remembered[source]):
        yield f"{frames_text(remembered[source]) if remembered[source] else source} differs"
    if came := [source for source in visible if source not in before.visible]:
        yield f"sees {', '.join(came)} now"
    if went := [source for source in before.visible if source not in visible]:
        yield f"no longer sees {', '.join(went)}"
    if list(before.visible.items()) == list(visible.items()):
        yield "other sources show what its caption names"  # same spec and same memory: nothing else can differ
    elif set(before.visible.items()) == set(visible.items()):
        yield "sees the same in another order"


def selection_changes(before: MemoryState, visible: Digests, now: Sequence[Pointer]) -> Iterator[str]:
    """The frames that a shot no longer remembers, with the cause, and those that it remembers instead.

    `now` is the new selection; empty if it was not computed because remembered frames do not exist any more.
    """
    visible_frames = [frame for frame in before.selected if frame.digest in visible.values()]
    missing = [frame for frame in before.selected if frame not in visible_frames]
    differing = [frame for frame in missing if frame.source in visible]
    if differing:
        yield f"{frames_text(differing)} differs"
    if unseen := [frame for frame in missing if frame not in differing]:
        yield f"no longer sees {frames_text(unseen)}"
    if not now:
        return
    kept = {(frame.digest, frame.index) for frame in before.selected}
    picked = {(frame.digest, frame.index) for frame in now}
    if left := [frame for frame in visible_frames if (frame.digest, frame.index) not in picked]:
        yield f"no longer selects {frames_text(left)}"
    sources = {frame.source for frame in differing}
    if new := [frame for frame in now if (frame.digest, frame.index) not in kept and frame.source not in sources]:
        yield f"selects {frames_text(new)}"
    elif not (missing or left):
        yield "selects the same in another order or at other levels"


def _contents(frames: Iterable[SelectedFrame]) -> list[tuple[str | None, int, str]]:
    return [(frame.digest, frame.index, frame.level) for frame in frames]
