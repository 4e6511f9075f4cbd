"""Render additional takes of one shot. They see what the shot can see, and are not accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Emit, TakesStarted, ignore
from onestory_cli.planning.jobs import Plan, Seed, ShotJob, retake
from onestory_cli.rendering.background import BackgroundQueue
from onestory_cli.rendering.commit import is_bad, quality_key
from onestory_cli.rendering.generator import ShotGenerator
from onestory_cli.rendering.render import RenderOptions, RenderSession, replace_bad
from onestory_cli.store.run import Run
from onestory_cli.store.take_query import next_number
from onestory_cli.store.takes import Take
from onestory_cli.store.writer import lock_run
from onestory_cli.story.types import MAX_SHOT_SEED
from onestory_cli.utils.text import shell_quote


def make_takes(
    plan: Plan,
    run: Run,
    load: Callable[[], ShotGenerator],
    emit: Emit = ignore,
    *,
    shot: str,
    count: int = 1,
    seed: int | None = None,
    options: RenderOptions = RenderOptions(),  # noqa: B008, frozen
) -> tuple[Take, ...]:
    """The next `count` takes of a shot. `seed` is the seed of the first one; it increases by one for each other.

    While all of them are faulty, up to `options.retry_bad` more are rendered, and the best one replaces an accepted
    take that is faulty.

    Raises:
        OnestoryError: R412 if a shot that it can see is not rendered yet, S230 for an unknown shot.
    """
    job = plan.job(shot)
    with lock_run(run) as writer, BackgroundQueue() as queue:
        first = next_number(plan, run, shot)
        started = TakesStarted(run=str(run.path), title=plan.story.title, model=plan.model.name, shot=shot, takes=count)
        session = RenderSession(plan, writer, load, emit, queue, options, started=started)
        session.repair()
        if missing := [source for source in job.memory.sources if source not in session.reuse_all()]:
            raise _not_rendered(run, shot, missing)
        takes: list[Take] = []
        for number in range(first, first + count + options.retry_bad):
            if len(takes) >= count and not is_bad(min(map(session.measured, takes), key=quality_key)):
                break
            takes.append(session.resolve_other(_job_of_take(job, number, seed, number - first)))
        measured = tuple(session.measured(take) for take in takes)
        if options.retry_bad and job.accept != "ask":
            replace_bad(session, writer, job, measured)
        return measured


def _job_of_take(job: ShotJob, number: int, seed: int | None, offset: int) -> ShotJob:
    """The job of the take with this number; with a seed of its own if `seed` is given."""
    job = retake(job, number)
    if seed is None:
        return job
    own = (seed + offset) % (MAX_SHOT_SEED + 1)  # the seed after the largest one is 0
    return replace(job, seed=own, seed_rule=Seed(base=own, given=True))


def _not_rendered(run: Run, shot: str, missing: list[str]) -> OnestoryError:
    return OnestoryError(
        "R412",
        f'"{shot}" can see {", ".join(missing)}, which is not rendered yet',
        help=f"render what is missing with `onestory resume {shell_quote(run.path)}`",
        exit=ExitCode.USAGE,
    )
