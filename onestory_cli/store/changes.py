"""The differences between a take and its shot as it is now, field by field, and the Reason that they give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from onestory_cli.errors import shorten
from onestory_cli.planning.jobs import ShotJob
from onestory_cli.planning.reasons import Reason, ReasonKind
from onestory_cli.store.keys import KINDS, Field, Spec, spec_fields
from onestory_cli.store.record import Record

VISIBLE = "visible_memory"  # replaces the memory settings when a shot starts or stops seeing memory
NOTHING = "nothing"
ABSENT: Spec = {"memory_guidance": 0.0}  # the values of fields that a spec may omit


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
