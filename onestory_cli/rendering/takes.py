"""More takes of one shot, made from what the shot can see and without letting them count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Emit, TakesStarted, ignore
from onestory_cli.planning.jobs import Plan, Seed, retake
from onestory_cli.rendering.background import BackgroundQueue
from onestory_cli.rendering.checkpoints import CHECKPOINT_SECONDS, never_stop
from onestory_cli.rendering.generator import ShotGenerator
from onestory_cli.rendering.quality import is_bad, quality_key
from onestory_cli.rendering.session import Film
from onestory_cli.store.candidates import next_number
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Take
from onestory_cli.story.types import MAX_SHOT_SEED
from onestory_cli.utils.text import quoted


def make_takes(
    plan: Plan,
    run: Run,
    load: Callable[[], ShotGenerator],
    emit: Emit = ignore,
    *,
    shot: str,
    count: int = 1,
    seed: int | None = None,
    stop: Callable[[], bool] = never_stop,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    retry_bad: int = 0,
) -> tuple[Take, ...]:
    """The next `count` takes of a shot; `seed` is the first one's own, the others follow from it one by one.
    While all of them have faults, up to `retry_bad` more are made, and the best counts where the accepted one is bad.

    Raises:
        OnestoryError: R412 when something that the shot can see is not made yet, S230 for an unknown shot.
    """
    job = plan.job(shot)
    with run.locked(), BackgroundQueue() as behind:
        first = next_number(plan, run, shot)
        film = Film(plan, run, load, emit, behind, stop=stop, checkpoint_seconds=checkpoint_seconds)
        title, model = plan.story.title, plan.model.name
        film.open((), beginning=TakesStarted(run=str(run.path), title=title, model=model, shot=shot, takes=count))
        if missing := [source for source in job.memory.sources if source not in film.known()]:
            raise OnestoryError(
                "R412",
                f'"{shot}" can see {", ".join(missing)}, still to be rendered',
                help=f"`onestory resume {quoted(run.path)}` renders what is missing",
                exit=ExitCode.USAGE,
            )
        made: list[Take] = []
        for number in range(first, first + count + retry_bad):
            if len(made) >= count and not is_bad(min(map(film.measured, made), key=quality_key)):
                break
            next_job = retake(job, number)
            if seed is not None:
                own = (seed + number - first) % (MAX_SHOT_SEED + 1)  # the one after the last is 0
                next_job = replace(next_job, seed=own, seed_rule=Seed(base=own, given=True))
            made.append(film.have(next_job))
        whole = tuple(film.measured(take) for take in made)
        if retry_bad and job.accept != "ask":
            film.replace_bad(job, whole)
        return whole
