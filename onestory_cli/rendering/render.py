"""Plan -> film: the shot loop. A shot is kept or made; what is made becomes a take while the next shot is made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from onestory_cli import events
from onestory_cli.events import Emit, ignore
from onestory_cli.planning.jobs import Plan, retake
from onestory_cli.rendering.background import BackgroundQueue
from onestory_cli.rendering.checkpoints import CHECKPOINT_SECONDS, never_stop
from onestory_cli.rendering.generator import ShotGenerator
from onestory_cli.rendering.join import require_subtitles
from onestory_cli.rendering.session import Film
from onestory_cli.store.run import Run


def render(
    plan: Plan,
    run: Run,
    load: Callable[[], ShotGenerator],
    emit: Emit = ignore,
    *,
    force: Collection[str] = (),
    takes: Mapping[str, int] | None = None,
    stop: Callable[[], bool] = never_stop,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    retry_bad: int = 0,
    subtitles: bool = False,
) -> Path:
    """Make what is missing of a film, then the film; returns its path. Finished shots stay, whatever happens.

    The work on a shot is kept every `checkpoint_seconds`. Once `stop()` is true the render keeps it and ends within a
    step, by a KeyboardInterrupt. `takes` says how many takes of a shot there should be; only the accepted one counts.
    Of a shot whose take has faults, up to `retry_bad` others are made, and the best is accepted. With `subtitles` the
    film has a track of what its shots say.

    Raises:
        OnestoryError: R410 where somebody must accept a take first.
        OnestoryError: X803 for subtitles where no shot has one.
        OnestoryError: S230 for an unknown shot in `force`; R4xx for what the disk or another process refuses.
        KeyboardInterrupt: passed on, after a RunInterrupted.
    """
    for shot in (*force, *(takes or {})):
        plan.job(shot)
    if subtitles:
        require_subtitles(plan)
    with run.locked(), BackgroundQueue() as behind:
        film = Film(plan, run, load, emit, behind, stop=stop, checkpoint_seconds=checkpoint_seconds)
        try:
            film.open(force)
            for job in plan.jobs:
                take = film.keep_or_make(job)
                for number in range((takes or {}).get(job.shot, 0)):
                    if number != take.record.take:
                        film.have(retake(job, number))
                film.accept(job, film.best(job, take, retry_bad))
            return film.finish(subtitles=subtitles)
        except KeyboardInterrupt:
            film.settle()
            film.tell(events.RunInterrupted(run=str(run.path), finished=len(film.takes), shots=len(plan.jobs)))
            raise
