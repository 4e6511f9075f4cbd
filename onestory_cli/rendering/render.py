"""Plan -> film: the shot loop. A shot's take is reused or generated, then accepted."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from onestory_cli import events
from onestory_cli.events import Emit, ignore
from onestory_cli.planning.jobs import Plan, ShotJob, retake
from onestory_cli.rendering.commit import BackgroundQueue
from onestory_cli.rendering.generator import ShotGenerator
from onestory_cli.rendering.join import require_subtitles
from onestory_cli.rendering.options import RenderOptions
from onestory_cli.rendering.quality import is_bad, quality_key
from onestory_cli.rendering.session import RenderSession
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Take
from onestory_cli.store.writer import RunWriter, lock_run


def render(
    plan: Plan,
    run: Run,
    load: Callable[[], ShotGenerator],
    emit: Emit = ignore,
    options: RenderOptions = RenderOptions(),  # noqa: B008, frozen
) -> Path:
    """Render what is missing of a film, join it, and return its path. Finished shots are kept whatever happens.

    `load` loads the model; it is called when the first shot must be generated.

    Raises:
        OnestoryError: R410 if the user must accept a take first, X803 for subtitles if no shot has one, S230 for an
            unknown shot in `options`, R4xx for an error of the disk or a run that another process writes to.
        KeyboardInterrupt: `options.stop()` returned true. A RunInterrupted was emitted.
    """
    for shot in (*options.force, *options.takes):
        plan.job(shot)
    if options.subtitles:
        require_subtitles(plan)
    with lock_run(run) as writer, BackgroundQueue() as queue:
        session = RenderSession(plan, writer, load, emit, queue, options)
        try:
            session.repair()
            for job in plan.jobs:
                take = session.resolve(job)
                for number in range(options.takes.get(job.shot, 0)):
                    if number != take.record.take:
                        session.resolve_other(retake(job, number))
                session.accept(job, best_take(session, job, take, options.retry_bad))
            return session.finish()
        except KeyboardInterrupt:
            committer = session.committer
            committer.wait()
            finished, shots = len(committer.takes), len(plan.jobs)
            committer.emit(events.RunInterrupted(run=str(run.path), finished=finished, shots=shots))
            raise


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
