"""What an action of a review makes stale, and how long that takes to render."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onestory_cli.errors import Diagnostic, Findings
from onestory_cli.planning.compile import plan_story
from onestory_cli.planning.jobs import Plan, ShotJob
from onestory_cli.rendering.feasibility import seconds_to_render
from onestory_cli.review.session import ReviewSession
from onestory_cli.store.reuse import Decision, Lookup
from onestory_cli.store.state import AcceptedTake
from onestory_cli.store.take_query import find_take
from onestory_cli.story.load import read_story
from onestory_cli.utils.text import duration, pluralize


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The shots that become stale, and the seconds to render them; None without a take to measure the speed.

    If it is not `certain`, some of the shots may turn out to be unchanged.
    """

    shots: tuple[str, ...]
    certain: bool
    seconds: float | None

    def __str__(self) -> str:
        if not self.shots:
            return "nothing becomes stale"
        up_to = "" if self.certain else "up to "
        time = "" if self.seconds is None else f", about {duration(self.seconds)}"
        return f"{up_to}{pluralize(len(self.shots), 'shot')} stale{time}"


class ReviewForecast:
    """Computes the effects of actions on a session before they are done."""

    def __init__(self, session: ReviewSession) -> None:
        self._session = session

    def of_render(self) -> Effect:
        """What the next render would do."""
        return self._effect(self._session.snapshot().decisions)

    def of_accepting(self, shot: str, id: str) -> Effect:
        """What would be stale if another take of a shot were accepted.

        Raises:
            OnestoryError: R411 if there is no such take, S230 if there is no such shot.
        """
        run = self._session.run
        take = find_take(run.plan(), run, shot, id)
        entry = AcceptedTake(
            folder=take.path, take=take.record.take, reason=take.record.reason, seed=take.record.own_seed, chosen=True
        )
        return self._newly_stale(self._session.snapshot().plan, {**run.accepted(), shot: entry})

    def of_another_take(self, shot: str) -> Effect:
        """The time that another take of a shot needs. It makes nothing stale before it is accepted."""
        plan = self._session.snapshot().plan
        return Effect(shots=(), certain=True, seconds=self._seconds([plan.job(shot)] if plan else []))

    def of_caption(self, shot: str, caption: str) -> tuple[str, tuple[Diagnostic, ...], Effect | None]:
        """The resolved caption that an edit would give, the findings of the edited story, and what becomes stale."""
        session = self._session
        try:
            data = session.edited(shot, caption)
            story, warnings = read_story(data, str(session.story), profile=session.profile)
            plan, more = plan_story(story)
        except Findings as fault:
            return "", fault.diagnostics, None
        return plan.job(shot).caption, (*warnings, *more), self._newly_stale(plan, session.run.accepted())

    def _newly_stale(self, plan: Plan | None, accepted: Mapping[str, AcceptedTake]) -> Effect:
        """What a plan and accepted takes make stale that is not stale now."""
        if plan is None:
            return Effect(shots=(), certain=False, seconds=None)
        now = {item.job.shot for item in self._session.snapshot().decisions if item.action != "keep"}
        decisions = Lookup(plan, self._session.run.takes_by_shot(), accepted=accepted).forecast()
        return self._effect([item for item in decisions if item.job.shot not in now])

    def _effect(self, decisions: Sequence[Decision]) -> Effect:
        stale = [item for item in decisions if item.action != "keep"]
        return Effect(
            shots=tuple(item.job.shot for item in stale),
            certain=all(item.action == "render" for item in stale),
            seconds=self._seconds([item.job for item in stale]),
        )

    def _seconds(self, jobs: Sequence[ShotJob]) -> float | None:
        takes_by_shot = self._session.run.takes_by_shot()
        return seconds_to_render(jobs, [take.record for shot in takes_by_shot.values() for take in shot.takes])
