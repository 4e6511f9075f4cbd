"""Why a shot is to be rendered or is kept: the chain of causes behind its Reason, back to the edits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from onestory_cli.memory.frames import SelectedFrame
from onestory_cli.planning.reasons import Reason, ReasonKind
from onestory_cli.store.reuse import Action, Decision, FieldChange
from onestory_cli.store.takes import Take


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What is decided about a shot and what it comes from.

    `take` and `id` tell the take that is kept. `changes` are fields of its spec, `remembers` the frames that its take
    remembers, by the names of now; `because` are the shots that it can see and that are not as they were when its take
    was made, each told once.
    """

    shot: str
    action: Action
    reason: Reason
    take: int | None = None
    id: str | None = None
    changes: tuple[FieldChange, ...] = ()
    remembers: tuple[SelectedFrame, ...] = ()
    because: tuple[Cause, ...] = ()


def explain(decisions: Sequence[Decision], shot: str, models: Mapping[str, str] | None = None) -> Cause:
    """The chain behind what was decided about a shot. `models` names models by their fingerprints.

    Raises:
        KeyError: no decision is about it.
    """
    return _Chain({decision.job.shot: decision for decision in decisions}, models or {}).cause(shot)


class _Chain:
    """Tells causes, no shot twice."""

    def __init__(self, decisions: Mapping[str, Decision], models: Mapping[str, str]) -> None:
        self._decisions, self._models = decisions, models
        kept = {shot: item.take for shot, item in decisions.items() if item.action == "keep"}
        self._digests = {shot: take.digest for shot, take in kept.items() if take}
        self._told: set[str] = set()

    def cause(self, shot: str) -> Cause:
        decision = self._decisions[shot]
        self._told.add(shot)
        because = [self.cause(source) for source in self._unsettled(decision) if source not in self._told]
        take = decision.take or decision.before
        kept = decision.take if decision.action == "keep" else None
        return Cause(
            shot=shot,
            action=decision.action,
            reason=decision.why,
            take=kept.record.take if kept else None,
            id=kept.id if kept else None,
            changes=tuple(map(self._named, decision.changes)),
            remembers=tuple(self._renamed(take.record.memory.selected)) if take else (),
            because=tuple(because),
        )

    def _unsettled(self, decision: Decision) -> Iterator[str]:
        """What a shot sees that is still to be made, or is another take than the one that it saw."""
        if decision.reason.kind not in (ReasonKind.MEMORY, ReasonKind.WAITS):
            return
        before = decision.take or decision.before
        for source in decision.job.memory.sources:
            if source in self._decisions and (source not in self._digests or self._differs(source, before)):
                yield source

    def _differs(self, source: str, before: Take | None) -> bool:
        return before is not None and before.record.memory.visible.get(source) not in (None, self._digests[source])

    def _named(self, change: FieldChange) -> FieldChange:
        """A change of model by name as well, where the name is known."""
        if change.field != "model":
            return change
        old, new = (f"{self._models.get(str(item), '')} {item}".strip() for item in (change.old, change.new))
        return replace(change, old=old, new=new)

    def _renamed(self, frames: Iterable[SelectedFrame]) -> Iterator[SelectedFrame]:
        """The frames by what their sources are called now."""
        names = {digest: shot for shot, digest in self._digests.items()}
        for frame in frames:
            known = frame.source in self._decisions
            yield frame if known else replace(frame, source=names.get(frame.digest, frame.source))
