"""The retry policy for takes that fail a quality check."""

from __future__ import annotations

from collections.abc import Collection

from onestory_cli.planning.jobs import ShotJob, retake
from onestory_cli.rendering.quality import is_bad, quality_key
from onestory_cli.rendering.session import RenderSession
from onestory_cli.store.takes import Take
from onestory_cli.store.writer import RunWriter


def best_take(session: RenderSession, job: ShotJob, take: Take, retries: int) -> Take:
    """`take`, or the best of up to `retries` others if it is faulty and the user did not accept it explicitly."""
    if not retries or job.accept == "ask" or session.is_chosen(job, take):
        return take
    tried = [session.measured(take)]
    others = [number for number in range(retries + 1) if number != take.record.take]
    for number in others[:retries]:
        if is_bad(min(tried, key=quality_key)):
            tried.append(session.measured(session.resolve_other(retake(job, number))))
    return min(tried, key=quality_key)


def replace_bad(session: RenderSession, writer: RunWriter, job: ShotJob, others: Collection[Take]) -> None:
    """Accept the best of `others` instead of a faulty take that the user did not accept explicitly."""
    take = session.reusable.get(job.shot)
    if take and is_bad(take) and not session.is_chosen(job, take):
        best = min((take, *others), key=quality_key)
        if best is not take:
            writer.accept(job.shot, best)
