"""`onestory take`: other takes of a shot, and which one counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._completion import run_shots
from onestory_cli.commands._options import CheckpointSeconds, Device, Json, RetryBad, argument, gather, option
from onestory_cli.commands._screen import screen_of
from onestory_cli.commands._signals import StopSignals
from onestory_cli.errors import ExitCode
from onestory_cli.events import Emit, StopAsked
from onestory_cli.quality import faults
from onestory_cli.store.locate import find_run
from onestory_cli.story.types import MAX_SHOT_SEED
from onestory_cli.utils.text import shell_quote

if TYPE_CHECKING:
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.store.run import Run
    from onestory_cli.store.take_query import ListedTake
    from onestory_cli.store.takes import Take

COLUMNS = ("shot", "take", "id", "seed", "state", "faults", "why")
group = typer.Typer(help="Make other takes of a shot, look at them, and say which one counts.", no_args_is_help=True)

Folder = Annotated[Path, argument(metavar="DIR", help="The run directory.")]
Shot = Annotated[str, argument(metavar="SHOT", help="The id of the shot.", autocompletion=run_shots)]
AnyShot = Annotated[str | None, argument(metavar="[SHOT]", help="Only this shot.", autocompletion=run_shots)]
Which = Annotated[str, argument(metavar="TAKE", help="Its number, or the first digits of its id.")]
FirstSeed = Annotated[
    int | None,
    option("--seed", metavar="S", min=0, max=MAX_SHOT_SEED, help="The seed of the first; else derived."),
]
Any = Annotated[str | None, argument(metavar="[TAKE]", help="Number or id; else the one that counts.")]


@group.command("list")
def list_takes(context: typer.Context, folder: Folder, shot: AnyShot = None, json: Json = False) -> ExitCode:
    """List the takes of a run: which count, and which could."""
    from onestory_cli.rendering.resume import load_run_plan
    from onestory_cli.store.take_query import list_takes

    run, screen = find_run(folder), screen_of(context)
    plan = load_run_plan(run)
    shots = [plan.job(shot).shot] if shot else [job.shot for job in plan.jobs]
    found = {name: list_takes(plan, run, name) for name in shots}
    if json:
        takes = [_as_json(name, item) for name, items in found.items() for item in items]
        screen.document("take-list", run=str(run.path), takes=takes)
    else:
        screen.table(COLUMNS, [_row(name, item) for name, items in found.items() for item in items], right=("take",))
    return ExitCode.DONE


@dataclass(frozen=True, kw_only=True)
class NewFlags:
    """How many takes are made, and how."""

    number: Annotated[int, typer.Option("-n", "--number", metavar="N", min=1, help="How many.")] = 1
    seed: FirstSeed = None
    device: Device = "auto"
    checkpoint_seconds: CheckpointSeconds = 30.0
    retry_bad: RetryBad = 0


@group.command("new")
@gather
def new(context: typer.Context, *, folder: Folder, shot: Shot, asked: NewFlags, json: Json = False) -> ExitCode:
    """Make more takes of a shot; the one that counts goes on counting, but for a faulty one with --retry-bad."""
    from onestory_cli.rendering.resume import load_run_plan

    run, screen = find_run(folder), screen_of(context)
    plan = load_run_plan(run)
    with screen.watch(json=json) as show, StopSignals(lambda: show(StopAsked())) as signals:
        try:
            made = _make(plan, run, shot, asked, show, stop=signals.asked)
        except KeyboardInterrupt:
            screen.note("interrupted: finished takes are kept, and the same command goes on with the one in work")
            return signals.exit
    if json:
        takes = [{"take": take.record.take, "id": take.id, "clip": str(take.clip)} for take in made]
        screen.document("take-new", run=str(run.path), shot=shot, takes=takes)
    else:
        screen.lines(str(take.clip) for take in made)
        screen.note(f"next: onestory take accept {shell_quote(run.path)} {shot} {made[0].record.take}")
    return ExitCode.DONE


def _make(
    plan: Plan, run: Run, shot: str, asked: NewFlags, emit: Emit, *, stop: Callable[[], bool]
) -> tuple[Take, ...]:
    from onestory_cli.rendering.loading import generator_loader
    from onestory_cli.rendering.options import RenderOptions
    from onestory_cli.rendering.takes import make_takes

    return make_takes(
        plan,
        run,
        generator_loader(plan, asked.device, emit),
        emit,
        shot=shot,
        count=asked.number,
        seed=asked.seed,
        options=RenderOptions(stop=stop, checkpoint_seconds=asked.checkpoint_seconds, retry_bad=asked.retry_bad),
    )


@group.command("accept")
def accept(context: typer.Context, folder: Folder, shot: Shot, take: Which, json: Json = False) -> ExitCode:
    """Let a take count and be remembered by later shots."""
    from onestory_cli.rendering.resume import load_run_plan
    from onestory_cli.store.take_query import acceptable_take
    from onestory_cli.store.writer import lock_run

    run, screen = find_run(folder), screen_of(context)
    with lock_run(run) as writer:  # before the plan is read: another process could change the story
        found = acceptable_take(load_run_plan(run), run, shot, take)
        writer.accept(shot, found, chosen=True)
    if json:
        screen.document("take-accept", run=str(run.path), shot=shot, take=found.record.take, id=found.id)
    else:
        screen.line(f"{shot}: take {found.record.take}, {found.id}")
        screen.note(f"next: onestory resume {shell_quote(run.path)}")
    return ExitCode.DONE


@group.command("show")
def show(context: typer.Context, folder: Folder, shot: Shot, take: Any = None, json: Json = False) -> ExitCode:
    """Print the path of a take's clip."""
    from onestory_cli.rendering.resume import load_run_plan
    from onestory_cli.store.take_query import find_take

    run, screen = find_run(folder), screen_of(context)
    found = find_take(load_run_plan(run), run, shot, take)
    if json:
        screen.document("take-show", run=str(run.path), shot=shot, take=found.record.take, clip=str(found.clip))
    else:
        screen.line(str(found.clip))
    return ExitCode.DONE


def _row(shot: str, item: ListedTake) -> tuple[str, ...]:
    record = item.take.record
    state = "accepted" if item.accepted else "" if item.fits else "of another story"
    bad = ", ".join(map(str, faults(record.checks)))
    return (shot, str(record.take), item.take.id[:6], str(record.spec["seed"]), state, bad, str(record.reason))


def _as_json(shot: str, item: ListedTake) -> dict[str, object]:
    record = item.take.record
    return {
        "shot": shot,
        "take": record.take,
        "id": item.take.id,
        "seed": record.spec["seed"],
        "accepted": item.accepted,
        "fits": item.fits,
        "checks": [asdict(check) for check in record.checks],
        "reason": str(record.reason),
        "clip": str(item.take.clip),
    }
