"""Which takes stand and which shots must run, and why; decided from digests alone.

A take stands when its spec and the digests of its whole visible memory are as they were, or when its memory changed and
it still selects the same frames. Where only the selector can tell, or the memory is still to be made, the shot is
*undecided* until then; `settle` ends that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from onestory_cli.planning.jobs import Plan, Seed, ShotJob, retake
from onestory_cli.planning.reasons import Reason, ReasonKind
from onestory_cli.store.changes import FieldChange, changed_fields, changes_since, reason_of
from onestory_cli.store.keys import clip_fields, shown_fields, spec_fields, spec_key, take_key
from onestory_cli.store.partials import KeptPartial
from onestory_cli.store.record import MemoryState
from onestory_cli.store.run import Run
from onestory_cli.store.selection_diff import (
    Digests,
    Pointer,
    can_be_same,
    frames_text,
    memory_changes,
    picks_without_scores,
    same_frames,
    selection_changes,
    still_picked,
)
from onestory_cli.store.state import AcceptedTake
from onestory_cli.store.takes import ShotTakes, Take

Action = Literal["keep", "render", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to be done about a shot.

    `take` is the one that stands, or the first of those that `may_stand`. `memory` is what it was checked against,
    where that is not what its record says. `changes` is what differs from `before`, the latest take of another spec.
    """

    job: ShotJob
    action: Action
    reason: Reason
    take: Take | None = None
    may_stand: tuple[Take, ...] = ()
    memory: MemoryState | None = None
    before: Take | None = None
    changes: tuple[FieldChange, ...] = ()
    partial: KeptPartial | None = None

    @property
    def why(self) -> Reason:
        """The reason in the words of now: a shot that was cut off goes on, whatever it was begun for."""
        return Reason(kind=ReasonKind.INTERRUPTED, detail=str(self.partial)) if self.partial else self.reason


def forecast(plan: Plan, run: Run | None, *, force: Collection[str] = ()) -> tuple[Decision, ...]:
    """One decision per shot of a plan, before anything runs; without a run every shot is new."""
    if run is None:
        return Lookup(plan, {}, force=force).forecast()
    return Lookup(plan, run.takes_by_shot(), accepted=run.accepted(), force=force).forecast()


class Lookup:
    """Finds takes for the jobs of a plan among those that were on the shelves when it was made.

    `accepted` says which take of a shot counts; without an entry it is take 0.
    """

    def __init__(
        self,
        plan: Plan,
        takes_by_shot: Mapping[str, ShotTakes],
        *,
        accepted: Mapping[str, AcceptedTake] | None = None,
        force: Collection[str] = (),
    ) -> None:
        self._plan, self._shelves, self._accepted = plan, takes_by_shot, accepted or {}
        self._force = frozenset(force)
        self._by_key, self._by_spec = _indexed(
            take for shot_takes in takes_by_shot.values() for take in shot_takes.takes
        )
        self._claims: dict[Path, str] = {}
        self._lengths = {item.source: 1 for item in plan.references}
        self._lengths |= {job.shot: plan.model.latent_frames(job.frames) for job in plan.jobs}
        self._former = self._former_names()
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
        """Decide one shot, given the digests of all that it can see. The decision's job is that of the take to have."""
        job = self.as_accepted(job)
        if job.shot in self._force:
            return Decision(job=job, action="render", reason=Reason(kind=ReasonKind.FORCED))
        visible = {source: digests[source] for source in job.memory.sources}
        by_name = self._of_this_spec(job, visible)
        if by_name:
            return by_name
        for former in self._under_former_name(job):
            decision = self._of_this_spec(former, visible)
            # A take stands for one shot: two that are alike do not both continue the one that was renamed.
            if decision and decision.take and self._claims.setdefault(decision.take.folder, job.shot) == job.shot:
                return decision
        return self._anew(job)

    def decide_other(self, job: ShotJob, digests: Digests) -> Decision:
        """Decide one more take of a shot: the job has its number and its seed."""
        visible = {source: digests[source] for source in job.memory.sources}
        new = Reason(kind=ReasonKind.NEW, detail=f"take {job.take}")
        return self._of_this_spec(job, visible) or Decision(job=job, action="render", reason=new)

    def counts(self, job: ShotJob, take: Take) -> bool:
        """Whether a take of this very spec is the accepted one, whatever memory it was made or checked with."""
        entry = self._entry(job.shot, take)
        return entry is not None and entry.folder in self._alike(take)

    def chosen(self, shot: str, take: Take) -> bool:
        """Whether somebody chose the take of this number."""
        entry = self._entry(shot, take)
        return entry is not None and entry.chosen and entry.take == take.record.take

    def key(self, job: ShotJob, digests: Digests) -> str | None:
        """The key of the take that would be made; None while the memory is not known."""
        known = _known({source: digests[source] for source in job.memory.sources})
        spec = spec_key(spec_fields(job, self._plan.model_fingerprint))
        return None if known is None else take_key(spec, known, shown_fields(job))

    def partial(self, job: ShotJob, key: str) -> KeptPartial | None:
        """The work on the take of this key that was cut off."""
        return self._shelf(job).partial_of(key)

    def as_accepted(self, job: ShotJob) -> ShotJob:
        """The job of the take that counts: its number, and its seed where that was given by hand."""
        return _as_of(job, self._accepted.get(job.shot))

    def _entry(self, shot: str, take: Take) -> AcceptedTake | None:
        """The accepted take of a shot, by the id that it had before where it has none by its own yet."""
        if shot in self._accepted:
            return self._accepted[shot]
        ids, alike = {item.id for item in self._plan.story.shots}, self._alike(take)
        gone = (entry for name, entry in self._accepted.items() if name not in ids)
        return next((entry for entry in gone if entry.folder in alike), None)

    def _alike(self, take: Take) -> set[str]:
        """The folders of the takes of the same spec."""
        return {f"{item.shot}/{item.id}" for item in self._by_spec.get(take.record.spec_key, ())}

    def _of_this_spec(self, job: ShotJob, visible: Digests) -> Decision | None:
        """What is to be done where there are takes of the job's very spec, or were; None where there are none."""
        spec = spec_fields(job, self._plan.model_fingerprint)
        if (known := _known(visible)) is not None:
            key = take_key(spec_key(spec), known, shown_fields(job))
            if same := _own_first(job, self._by_key.get(key, ())):
                return self._unless_encoded_otherwise(job, same[0])
            if damage := self._shelf(job).damage_of(key):
                return _render(job, ReasonKind.DAMAGED, str(damage))
        alike = _own_first(job, self._by_spec.get(spec_key(spec), ()))
        if not alike:
            return None
        clip = clip_fields(job, self._plan.output)
        encoded = tuple(take for take in alike if take.record.clip == clip)
        return self._weigh(job, encoded, visible) if encoded else self._unless_encoded_otherwise(job, alike[0])

    def _weigh(self, job: ShotJob, alike: tuple[Take, ...], visible: Digests) -> Decision:
        """Takes of the right spec, made with another memory: which still remember the same, if it can be told."""
        unknown = [source for source, digest in visible.items() if digest is None]
        picks = picks_without_scores(job, self._lengths, self._plan.model)
        if picks is not None:
            unknown = [source for source in unknown if source in {pick.source for pick in picks}]
        if unknown:
            return _undecided(job, alike, _waits(alike[0].record.memory, unknown))
        if picks is not None:
            for take in alike:
                if memory := still_picked(take.record.memory, picks, visible):
                    return _keep(job, take, memory)
            now = [Pointer(source=pick.source, digest=visible[pick.source], index=pick.index) for pick in picks]
            return _forgets(job, alike[0], visible, now)
        possible = tuple(take for take in alike if can_be_same(take.record.memory, visible))
        if possible:
            changes = "; ".join(memory_changes(possible[0].record.memory, visible))
            return _undecided(job, possible, f"selection: {changes}")
        return _forgets(job, alike[0], visible)

    def _unless_encoded_otherwise(self, job: ShotJob, take: Take) -> Decision:
        if changes := changed_fields(take.record.clip, clip_fields(job, self._plan.output)):
            reason = Reason(kind=ReasonKind.SETTINGS, detail=", ".join(map(str, changes)))
            return Decision(job=job, action="render", reason=reason, before=take, changes=changes)
        former = f"made as {take.shot}" if take.shot != job.shot else ""
        return Decision(job=job, action="keep", reason=Reason(kind=ReasonKind.KEPT, detail=former), take=take)

    def _anew(self, job: ShotJob) -> Decision:
        """No take has this spec: say what differs from the latest, or what happened to it."""
        shot_takes = self._shelf(job)
        if shot_takes.takes:
            before = next((take for take in shot_takes.takes if take.record.take == job.take), shot_takes.takes[0])
            changes = changes_since(before.record, job, self._plan.model_fingerprint)
            return Decision(job=job, action="render", reason=reason_of(changes), before=before, changes=changes)
        if shot_takes.damaged_takes:
            return _render(job, ReasonKind.DAMAGED, str(shot_takes.damaged_takes[0]))
        return _render(job, ReasonKind.NEW)

    def _shelf(self, job: ShotJob) -> ShotTakes:
        return self._shelves.get(job.shot, ShotTakes())

    def _former_names(self) -> dict[str, tuple[str, ...]]:
        """The ids under which a shot's takes may lie: that of its accepted take, then those that no shot has now."""
        ids = {job.shot for job in self._plan.jobs}
        gone = tuple(name for name in self._shelves if name not in ids)
        found = {}
        for job in self._plan.jobs:
            entry = self._accepted.get(job.shot)
            own = (entry.folder.partition("/")[0],) if entry else ()
            found[job.shot] = tuple(name for name in dict.fromkeys((*own, *gone)) if name != job.shot)
        return found

    def _under_former_name(self, job: ShotJob) -> Iterator[ShotJob]:
        """The same shot as it was when it was called otherwise: the id is in its derived seed."""
        for name in self._former[job.shot]:
            own = self._accepted.get(job.shot)
            entry = own if own and own.folder.startswith(f"{name}/") else self._accepted.get(name)
            before = _as_of(retake(replace(job, shot=name), 0), entry)
            if before.seed != job.seed:
                yield replace(before, shot=job.shot)


def _as_of(job: ShotJob, entry: AcceptedTake | None) -> ShotJob:
    """The job of the take of an entry: its number, and its seed where that was given by hand."""
    if entry is None:
        return job
    if entry.seed is None:
        return retake(job, entry.take)
    return replace(job, take=entry.take, seed=entry.seed, seed_rule=Seed(base=entry.seed, given=True))


def settle(decision: Decision, now: MemoryState) -> Decision:
    """The end of an undecided shot: its selection was run again, and `now` is what it came to."""
    for take in decision.may_stand:
        if same_frames(take.record.memory, now):
            return _keep(decision.job, take, now)
    picked = [Pointer(source=frame.source, digest=frame.digest, index=frame.index) for frame in now.selected]
    return _forgets(decision.job, decision.may_stand[0], now.visible, picked)


def _indexed(takes: Iterable[Take]) -> tuple[dict[str, list[Take]], dict[str, list[Take]]]:
    """Takes by their keys, and by the keys of their specs; the latest first."""
    by_key: dict[str, list[Take]] = {}
    by_spec: dict[str, list[Take]] = {}
    for take in sorted(takes, key=lambda take: -take.record.created):
        by_key.setdefault(take.record.key, []).append(take)
        by_spec.setdefault(take.record.spec_key, []).append(take)
    return by_key, by_spec


def _own_first(job: ShotJob, takes: Iterable[Take]) -> list[Take]:
    """Takes in the shot's own folder before those in others, where it had another id."""
    return sorted(takes, key=lambda take: take.shot != job.shot)


def _known(visible: Digests) -> dict[str, str] | None:
    """The digests of all that is visible; None while one of them is not known."""
    known = {source: digest for source, digest in visible.items() if digest is not None}
    return known if len(known) == len(visible) else None


def _waits(before: MemoryState, unknown: list[str]) -> str:
    """Sources that are still to be made, each with the frames that were remembered of it."""
    remembered = {source: [frame for frame in before.selected if frame.source == source] for source in unknown}
    return ", ".join(frames_text(frames) if frames else source for source, frames in remembered.items())


def _keep(job: ShotJob, take: Take, memory: MemoryState) -> Decision:
    """A take that still remembers the same of a memory that changed."""
    reason = Reason(kind=ReasonKind.KEPT, detail=f"still remembers {frames_text(memory.selected)}")
    return Decision(job=job, action="keep", reason=reason, take=take, memory=memory)


def _undecided(job: ShotJob, takes: tuple[Take, ...], why: str) -> Decision:
    reason = Reason(kind=ReasonKind.WAITS, detail=why)
    return Decision(job=job, action="undecided", reason=reason, take=takes[0], may_stand=takes)


def _forgets(job: ShotJob, before: Take, visible: Digests, now: Sequence[Pointer] = ()) -> Decision:
    """A shot that remembers other frames than its take did, or the same ones in another order."""
    detail = "; ".join(selection_changes(before.record.memory, visible, now))
    return Decision(job=job, action="render", reason=Reason(kind=ReasonKind.MEMORY, detail=detail), before=before)


def _render(job: ShotJob, kind: ReasonKind, detail: str = "") -> Decision:
    return Decision(job=job, action="render", reason=Reason(kind=kind, detail=detail))
