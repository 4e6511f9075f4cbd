"""Decide for each shot whether a take is reused or a new one is rendered, and why. Only digests are compared.

A take is reused if its spec and the digests of its whole visible memory are unchanged, or if its memory changed but it
still selects the same frames. A shot is *undecided* while only the model can tell which frames it selects, or while a
shot that it sees is not rendered yet; `settle` ends that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from onestory_cli.planning.jobs import Plan, Reason, ReasonKind, ShotJob
from onestory_cli.store.changes import (
    Digests,
    FieldChange,
    Pointer,
    can_be_same,
    changed_fields,
    changes_since,
    frames_text,
    memory_changes,
    picks_without_scores,
    reason_of,
    same_frames,
    selection_changes,
    still_picked,
)
from onestory_cli.store.keys import clip_fields, cropped_sources, shown_fields, spec_fields, spec_key, take_key
from onestory_cli.store.partials import KeptPartial
from onestory_cli.store.record import MemoryState
from onestory_cli.store.run import Run
from onestory_cli.store.state import AcceptedTake
from onestory_cli.store.take_index import Renames, TakeKeyIndex
from onestory_cli.store.takes import ShotTakes, Take

Action = Literal["keep", "render", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do about a shot.

    `take` is the one that is kept, or the first of the `candidates`: takes that may turn out to be valid once the
    selection is known. `memory` is the memory state that the take has now, if it differs from its record. `changes` are
    the differences from `before`, the latest take with another spec.
    """

    job: ShotJob
    action: Action
    reason: Reason
    take: Take | None = None
    candidates: tuple[Take, ...] = ()
    memory: MemoryState | None = None
    before: Take | None = None
    changes: tuple[FieldChange, ...] = ()
    partial: KeptPartial | None = None

    @property
    def why(self) -> Reason:
        """The reason to show. An interrupted shot resumes, whatever reason it was started for."""
        return Reason(kind=ReasonKind.INTERRUPTED, detail=str(self.partial)) if self.partial else self.reason


def forecast(plan: Plan, run: Run | None, *, force: Collection[str] = ()) -> tuple[Decision, ...]:
    """One decision per shot of a plan, before anything is rendered. Without a run every shot is new."""
    if run is None:
        return Lookup(plan, {}, force=force).forecast()
    return Lookup(plan, run.takes_by_shot(), accepted=run.accepted(), force=force).forecast()


class Lookup:
    """Finds reusable takes for the jobs of a plan.

    `accepted` names the accepted take of each shot; a shot without an entry uses take 0. `renames` finds accepted
    takes, also of shots that had another id.
    """

    def __init__(
        self,
        plan: Plan,
        takes_by_shot: Mapping[str, ShotTakes],
        *,
        accepted: Mapping[str, AcceptedTake] | None = None,
        force: Collection[str] = (),
    ) -> None:
        self._plan, self._force = plan, frozenset(force)
        self._index = TakeKeyIndex(takes_by_shot)
        self.renames = Renames(plan, self._index, accepted or {})
        self._lengths = {item.source: 1 for item in plan.references}
        self._lengths |= {job.shot: plan.model.latent_frames(job.frames) for job in plan.jobs}
        self.references: dict[str, str] = {item.source: item.image.sha256 for item in plan.references}

    def forecast(self) -> tuple[Decision, ...]:
        """Decide every shot in film order, each from the digests that are known after the decisions before it."""
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
        """Decide one shot from the digests of everything it can see. The decision has the job of the take to use."""
        job = self.renames.accepted_job(job)
        if job.shot in self._force:
            return _render(job, ReasonKind.FORCED)
        visible = _visible(job, digests)
        return (
            self._imported(job)
            or self._with_same_spec(job, visible)
            or self._renamed(job, visible)
            or self._with_other_spec(job)
            or self._damaged(job)
            or self._unfit_import(job)
            or _render(job, ReasonKind.NEW)
        )

    def decide_other(self, job: ShotJob, digests: Digests) -> Decision:
        """Decide an additional take of a shot. The job has its number and its seed."""
        found = self._with_same_spec(job, _visible(job, digests))
        return found or _render(job, ReasonKind.NEW, f"take {job.take}")

    def key(self, job: ShotJob, digests: Digests) -> str | None:
        """The key that a new take of the job would have; None while its memory is not known."""
        known = _known(_visible(job, digests))
        if known is None:
            return None
        return take_key(self._spec_key(job), known, shown_fields(job), cropped_sources(job))

    def partial(self, job: ShotJob, key: str) -> KeptPartial | None:
        """The unfinished work on the take of this key."""
        return self._index.partial(job.shot, key)

    def _spec_key(self, job: ShotJob) -> str:
        return spec_key(spec_fields(job, self._plan.model_fingerprint))

    def _imported(self, job: ShotJob) -> Decision | None:
        """Keep an accepted imported take as long as it fits: it depends on no caption, seed or memory."""
        take = self.renames.accepted_import(job)
        if take is None or take.record.imported is None or not _fits(take, job, self._plan):
            return None
        reason = Reason(kind=ReasonKind.KEPT, detail=f"imported from {take.record.imported.name}")
        return Decision(job=job, action="keep", reason=reason, take=take)

    def _unfit_import(self, job: ShotJob) -> Decision | None:
        """Render a shot whose imported take has another length, size, rate or latent layout than the shot."""
        take = self.renames.accepted_import(job)
        if take is None or take.record.imported is None:
            return None
        return _render(job, ReasonKind.SETTINGS, f"{take.record.imported.name} was imported for another length or size")

    def _with_same_spec(self, job: ShotJob, visible: Digests) -> Decision | None:
        """The decision if there are, or were, takes with the spec of the job."""
        if key := self.key(job, visible):
            if take := self._index.with_key(key, job.shot):
                return self._unless_reencoded(job, take)
            if damage := self._index.of_shot(job.shot).damage_of(key):
                return _render(job, ReasonKind.DAMAGED, str(damage))
        takes = self._index.with_spec(self._spec_key(job), job.shot)
        if not takes:
            return None
        clip = clip_fields(job, self._plan.output)
        usable = tuple(take for take in takes if take.record.clip == clip)
        return self._compare_selections(job, usable, visible) if usable else self._unless_reencoded(job, takes[0])

    def _renamed(self, job: ShotJob, visible: Digests) -> Decision | None:
        """The decision if there are takes with the spec that the job had under a former id of its shot."""
        for former in self.renames.former_jobs(job):
            decision = self._with_same_spec(former, visible)
            if decision and decision.take and self.renames.claim(decision.take, job.shot):
                return decision
        return None

    def _with_other_spec(self, job: ShotJob) -> Decision | None:
        """The decision if the shot has takes, but none with its spec: what changed since the latest."""
        takes = tuple(take for take in self._index.of_shot(job.shot).takes if not take.record.imported)
        if not takes:
            return None
        before = next((take for take in takes if take.record.take == job.take), takes[0])
        changes = changes_since(before.record, job, self._plan.model_fingerprint)
        return Decision(job=job, action="render", reason=reason_of(changes), before=before, changes=changes)

    def _damaged(self, job: ShotJob) -> Decision | None:
        damages = self._index.of_shot(job.shot).damaged_takes
        return _render(job, ReasonKind.DAMAGED, str(damages[0])) if damages else None

    def _compare_selections(self, job: ShotJob, takes: tuple[Take, ...], visible: Digests) -> Decision:
        """Decide between takes of the right spec that were rendered with another memory."""
        unknown = [source for source, digest in visible.items() if digest is None]
        picks = picks_without_scores(job, self._lengths, self._plan.model)
        if picks is not None:
            unknown = [source for source in unknown if source in {pick.source for pick in picks}]
        if unknown:
            return _undecided(job, takes, _described(takes[0].record.memory, unknown))
        if picks is not None:
            for take in takes:
                if memory := still_picked(take.record.memory, picks, visible, cropped_sources(job)):
                    return _keep(job, take, memory)
            now = [Pointer(source=pick.source, digest=visible[pick.source], index=pick.index) for pick in picks]
            return _memory_changed(job, takes[0], visible, now)
        possible = tuple(take for take in takes if can_be_same(take.record.memory, visible))
        if possible:
            changes = "; ".join(memory_changes(possible[0].record.memory, visible))
            return _undecided(job, possible, f"selection: {changes}")
        return _memory_changed(job, takes[0], visible)

    def _unless_reencoded(self, job: ShotJob, take: Take) -> Decision:
        """Keep a take, unless its clip must be encoded differently."""
        if changes := changed_fields(take.record.clip, clip_fields(job, self._plan.output)):
            reason = Reason(kind=ReasonKind.SETTINGS, detail=", ".join(map(str, changes)))
            return Decision(job=job, action="render", reason=reason, before=take, changes=changes)
        former = f"rendered as {take.shot}" if take.shot != job.shot else ""
        return Decision(job=job, action="keep", reason=Reason(kind=ReasonKind.KEPT, detail=former), take=take)


def settle(decision: Decision, now: MemoryState) -> Decision:
    """The final decision about an undecided shot, given its new selection."""
    for take in decision.candidates:
        if same_frames(take.record.memory, now):
            return _keep(decision.job, take, now)
    selected = [Pointer(source=frame.source, digest=frame.digest, index=frame.index) for frame in now.selected]
    return _memory_changed(decision.job, decision.candidates[0], now.visible, selected)


def _visible(job: ShotJob, digests: Digests) -> Digests:
    return {source: digests[source] for source in job.memory.sources}


def _known(visible: Digests) -> dict[str, str] | None:
    """The digests of all visible sources; None while one of them is not known."""
    known = {source: digest for source, digest in visible.items() if digest is not None}
    return known if len(known) == len(visible) else None


def _described(before: MemoryState, sources: list[str]) -> str:
    """Sources, each with the frames that were remembered of it."""
    remembered = {source: [frame for frame in before.selected if frame.source == source] for source in sources}
    return ", ".join(frames_text(frames) if frames else source for source, frames in remembered.items())


def _keep(job: ShotJob, take: Take, memory: MemoryState) -> Decision:
    """Keep a take that still remembers the same frames of a changed memory."""
    reason = Reason(kind=ReasonKind.KEPT, detail=f"still remembers {frames_text(memory.selected)}")
    return Decision(job=job, action="keep", reason=reason, take=take, memory=memory)


def _undecided(job: ShotJob, takes: tuple[Take, ...], why: str) -> Decision:
    reason = Reason(kind=ReasonKind.WAITS, detail=why)
    return Decision(job=job, action="undecided", reason=reason, take=takes[0], candidates=takes)


def _memory_changed(job: ShotJob, before: Take, visible: Digests, now: Sequence[Pointer] = ()) -> Decision:
    """Render a shot that remembers other frames than its take did, or the same ones in another order."""
    detail = "; ".join(selection_changes(before.record.memory, visible, now))
    return Decision(job=job, action="render", reason=Reason(kind=ReasonKind.MEMORY, detail=detail), before=before)


def _render(job: ShotJob, kind: ReasonKind, detail: str = "") -> Decision:
    return Decision(job=job, action="render", reason=Reason(kind=kind, detail=detail))


def _fits(take: Take, job: ShotJob, plan: Plan) -> bool:
    """Whether an imported take has the clip and the latents that a generated take of the job would have."""
    model = plan.model
    size = model.latent_size(job.width, job.height)
    shape = (model.latent_channels, model.latent_frames(job.frames), *size)
    return take.record.has_clip_of(job) and take.record.clip == clip_fields(job, plan.output) and take.shape == shape
