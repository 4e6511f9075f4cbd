"""Which takes stand and which shots must run, and why; decided from digests alone.

A take stands when its spec and the digests of its whole visible memory are as they were. A shot whose memory is still
to be made is *undecided* while it has a take of the same spec: that take may stand once the memory is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from onestory_cli.errors import shorten
from onestory_cli.plan import Plan, Reason, ReasonKind, ShotJob
from onestory_cli.store.keys import KINDS, Field, Spec, clip_fields, spec_fields, spec_key, take_key
from onestory_cli.store.partials import KeptPartial
from onestory_cli.store.record import MemoryState
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Shelf, Take

Action = Literal["keep", "render", "undecided"]
Digests = Mapping[str, str | None]  # source of memory -> digest; None while its take is still to be made


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to be done about a shot. `take` is the one that stands, or the one that may stand."""

    job: ShotJob
    action: Action
    reason: Reason
    take: Take | None = None
    partial: KeptPartial | None = None

    @property
    def why(self) -> Reason:
        """The reason in the words of now: a shot that was cut off goes on, whatever it was begun for."""
        return Reason(kind=ReasonKind.INTERRUPTED, detail=str(self.partial)) if self.partial else self.reason


@dataclass(frozen=True, kw_only=True)
class Change:
    """One field of a spec, before and now."""

    field: str
    old: Field
    new: Field

    def __str__(self) -> str:
        return f"{self.field.replace('_', ' ')} {shorten(self.old, 24)} -> {shorten(self.new, 24)}"


def forecast(plan: Plan, run: Run | None, *, force: Collection[str] = ()) -> tuple[Decision, ...]:
    """One decision per shot of a plan, before anything runs; without a run every shot is new."""
    return Lookup(plan, run.shelves() if run else {}, force=force).forecast()


class Lookup:
    """Finds takes for the jobs of a plan among those that were on the shelves when it was made."""

    def __init__(self, plan: Plan, shelves: Mapping[str, Shelf], *, force: Collection[str] = ()) -> None:
        self._plan, self._shelves, self._force = plan, shelves, frozenset(force)
        self.references: dict[str, str] = {item.source: item.image.sha256 for item in plan.references}

    def forecast(self) -> tuple[Decision, ...]:
        """Decide every shot in film order, each on what the decisions before it leave known."""
        digests: dict[str, str | None] = {**self.references}
        decisions = []
        for job in self._plan.jobs:
            decision = self.decide(job, digests)
            if decision.action == "render" and (key := self.key(decision.job, digests)):
                decision = replace(decision, partial=self.partial(decision.job, key))
            digests[job.shot] = decision.take.digest if decision.take and decision.action == "keep" else None
            decisions.append(decision)
        return tuple(decisions)

    def decide(self, job: ShotJob, digests: Digests) -> Decision:
        """Decide one shot, given the digests of all that it can see."""
        if job.shot in self._force:
            return Decision(job=job, action="render", reason=Reason(kind=ReasonKind.FORCED))
        shelf = self._shelves.get(job.shot, Shelf())
        spec = spec_fields(job, self._plan.model_fingerprint)
        visible = {source: digests[source] for source in job.memory.sources}
        known = [digest for digest in visible.values() if digest is not None]
        if len(known) == len(visible):
            key = take_key(spec_key(spec), known)
            if take := self._find(job.shot, key):
                return self._unless_encoded_otherwise(job, take)
            if damage := shelf.damage_of(key):
                return _render(job, ReasonKind.DAMAGED, str(damage))
        alike = next((take for take in shelf.takes if take.record.spec == spec), None)
        if alike and len(known) < len(visible):
            waits = ", ".join(source for source, digest in visible.items() if digest is None)
            reason = Reason(kind=ReasonKind.MEMORY, detail=f"decided when known: {waits}")
            return Decision(job=job, action="undecided", reason=reason, take=alike)
        if alike:
            return _render(job, ReasonKind.MEMORY, ", ".join(memory_changes(alike.record.memory, visible)))
        return _render_anew(job, shelf, spec)

    def key(self, job: ShotJob, digests: Digests) -> str | None:
        """The key of the take that would be made; None while the memory is not known."""
        visible = [digests[source] for source in job.memory.sources]
        known = [digest for digest in visible if digest is not None]
        return take_key(spec_key(spec_fields(job, self._plan.model_fingerprint)), known) if known == visible else None

    def partial(self, job: ShotJob, key: str) -> KeptPartial | None:
        """The work on the take of this key that was cut off."""
        return self._shelves.get(job.shot, Shelf()).partial_of(key)

    def _find(self, shot: str, key: str) -> Take | None:
        """The take of this key; the shot's own folder first, for a renamed shot any other."""
        own = self._shelves.get(shot, Shelf()).by_key(key)
        return own or next((take for shelf in self._shelves.values() if (take := shelf.by_key(key))), None)

    def _unless_encoded_otherwise(self, job: ShotJob, take: Take) -> Decision:
        clip = clip_fields(job, self._plan.output)
        if changes := changed_fields(take.record.clip, clip):
            return _render(job, ReasonKind.SETTINGS, ", ".join(map(str, changes)))
        return Decision(job=job, action="keep", reason=Reason(kind=ReasonKind.KEPT), take=take)


def changed_fields(old: Spec, new: Spec) -> tuple[Change, ...]:
    """The fields that differ, in the order of `new`."""
    names = dict.fromkeys((*new, *old))
    return tuple(
        Change(field=name, old=old.get(name), new=new.get(name)) for name in names if old.get(name) != new.get(name)
    )


def memory_changes(before: MemoryState, visible: Digests) -> Iterator[str]:
    """The sources whose bytes changed, with the frames that were remembered of them; then what came and what went."""
    changed = [source for source, digest in before.visible.items() if visible.get(source, digest) != digest]
    remembered = {source: [frame.index for frame in before.selected if frame.source == source] for source in changed}
    for source in sorted(changed, key=lambda source: not remembered[source]):
        frames = ",".join(map(str, sorted(remembered[source])))
        yield f"{source}[{frames}]" if frames else source
    yield from (f"{source} added" for source in visible if source not in before.visible)
    yield from (f"{source} removed" for source in before.visible if source not in visible)
    if set(before.visible.items()) == set(visible.items()):
        yield "other order"


def _render(job: ShotJob, kind: ReasonKind, detail: str = "") -> Decision:
    return Decision(job=job, action="render", reason=Reason(kind=kind, detail=detail))


def _render_anew(job: ShotJob, shelf: Shelf, spec: Spec) -> Decision:
    """No take has this spec: say what differs from the latest, or what happened to it."""
    if shelf.takes:
        return Decision(job=job, action="render", reason=_reason(changed_fields(shelf.takes[0].record.spec, spec)))
    if shelf.damaged_takes:
        return _render(job, ReasonKind.DAMAGED, str(shelf.damaged_takes[0]))
    return _render(job, ReasonKind.NEW)


def _reason(changes: tuple[Change, ...]) -> Reason:
    """The weightiest kind of change names the reason; settings are told in full, other kinds by their name."""
    kinds = {KINDS.get(change.field, ReasonKind.MODEL) for change in changes}
    kind = next(item for item in KINDS.values() if item in kinds)
    settings = [str(change) for change in changes if KINDS.get(change.field) is ReasonKind.SETTINGS]
    others = [str(item) for item in dict.fromkeys(KINDS.values()) if item in kinds and item is not kind]
    if kind is ReasonKind.SETTINGS:
        return Reason(kind=kind, detail=", ".join(settings))
    also = [*(name for name in others if name != ReasonKind.SETTINGS), *settings]
    return Reason(kind=kind, detail=f"also {', '.join(also)}" if also else "")
