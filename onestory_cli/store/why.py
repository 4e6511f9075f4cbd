"""Why a shot is to be rendered or is kept: the chain of causes behind its Reason, back to the edits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onestory_cli.plan import Reason, ReasonKind
from onestory_cli.store.record import SelectedFrame
from onestory_cli.store.reuse import Action, Change, Decision


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What is decided about a shot and what it comes from.

    `changes` are fields of its spec, `remembers` the frames that its take remembers; `because` are the shots that
    it can see and that are not settled, each told once.
    """

    shot: str
    action: Action
    reason: Reason
    changes: tuple[Change, ...] = ()
    remembers: tuple[SelectedFrame, ...] = ()
    because: tuple[Cause, ...] = ()


def explain(decisions: Sequence[Decision], shot: str) -> Cause:
    """The chain behind what was decided about a shot.

    Raises:
        KeyError: no decision is about it.
    """
    return _cause({decision.job.shot: decision for decision in decisions}, shot, told=set())


def _cause(decisions: dict[str, Decision], shot: str, told: set[str]) -> Cause:
    decision = decisions[shot]
    told.add(shot)
    because = []
    if decision.reason.kind is ReasonKind.MEMORY:
        for source in decision.job.memory.sources:
            if source in decisions and source not in told and decisions[source].action != "keep":
                because.append(_cause(decisions, source, told))
    take = decision.take or decision.before
    return Cause(
        shot=shot,
        action=decision.action,
        reason=decision.why,
        changes=decision.changes,
        remembers=take.record.memory.selected if take else (),
        because=tuple(because),
    )
