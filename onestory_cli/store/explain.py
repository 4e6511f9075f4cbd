"""Why a shot is rendered or kept: the chain of causes behind its Reason, back to the edits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from onestory_cli.memory.policies import SelectedFrame
from onestory_cli.planning.jobs import Reason, ReasonKind
from onestory_cli.store.changes import FieldChange
from onestory_cli.store.reuse import Action, Decision
from onestory_cli.store.takes import Take


@dataclass(frozen=True, kw_only=True)
class Cause:
    """The decision about a shot and what caused it.

    `take` and `id` name the take that is kept. `changes` are the changed fields of its spec, `remembers` the frames
    that its take remembers, by the current names of their shots. `because` are the visible shots that changed since its
    take was rendered; a shot appears in the chain only once.
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
    """The chain of causes behind the decision about a shot. `models` maps fingerprints to names of models.

    Raises:
        KeyError: there is no decision about it.
    """
    return _cause(shot, {decision.job.shot: decision for decision in decisions}, models or {}, set())


def _cause(shot: str, decisions: Mapping[str, Decision], models: Mapping[str, str], visited: set[str]) -> Cause:
    """The cause of one shot and, recursively, of the shots that it depends on; adds all of them to `visited`."""
    decision = decisions[shot]
    visited.add(shot)
    digests = {name: item.take.digest for name, item in decisions.items() if item.action == "keep" and item.take}
    because = [
        _cause(source, decisions, models, visited)
        for source in _changed_sources(decision, decisions, digests)
        if source not in visited
    ]
    take = decision.take or decision.before
    kept = decision.take if decision.action == "keep" else None
    return Cause(
        shot=shot,
        action=decision.action,
        reason=decision.why,
        take=kept.record.take if kept else None,
        id=kept.id if kept else None,
        changes=tuple(_with_model_names(change, models) for change in decision.changes),
        remembers=tuple(_renamed(take.record.memory.selected, decisions, digests)) if take else (),
        because=tuple(because),
    )


def _changed_sources(
    decision: Decision, decisions: Mapping[str, Decision], digests: Mapping[str, str]
) -> Iterator[str]:
    """The visible shots that are not rendered yet, or whose take is not the one that the shot saw."""
    if decision.reason.kind not in (ReasonKind.MEMORY, ReasonKind.WAITS):
        return
    before = decision.take or decision.before
    for source in decision.job.memory.sources:
        if source in decisions and (source not in digests or _differs(before, source, digests[source])):
            yield source


def _differs(before: Take | None, source: str, digest: str) -> bool:
    return before is not None and before.record.memory.visible.get(source) not in (None, digest)


def _with_model_names(change: FieldChange, models: Mapping[str, str]) -> FieldChange:
    """A change of model with the model's name before its fingerprint, if it is known."""
    if change.field != "model":
        return change
    old, new = (f"{models.get(str(item), '')} {item}".strip() for item in (change.old, change.new))
    return replace(change, old=old, new=new)


def _renamed(
    frames: Iterable[SelectedFrame], decisions: Mapping[str, Decision], digests: Mapping[str, str]
) -> Iterator[SelectedFrame]:
    """The frames with the current names of their sources."""
    names = {digest: shot for shot, digest in digests.items()}
    for frame in frames:
        yield frame if frame.source in decisions else replace(frame, source=names.get(frame.digest, frame.source))
