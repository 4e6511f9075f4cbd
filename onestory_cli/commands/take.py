"""`onestory take`: list, render, import, accept and show takes of a shot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._completion import run_shots
from onestory_cli.commands._files import PICTURE, marked_png, require_writable, write_result
from onestory_cli.commands._options import (
    AllowCommands,
    AllowServer,
    CheckpointSeconds,
    Device,
    Json,
    KeepOriginal,
    RetryBad,
    ShowPictures,
    argument,
    flag,
    gather,
    option,
)
from onestory_cli.commands._report_page import Replace
from onestory_cli.commands._screen import Display, Pictures, Screen, screen_of
from onestory_cli.commands._signals import StopSignals
from onestory_cli.commands._take_import import import_take
from onestory_cli.errors import ExitCode
from onestory_cli.events import StopAsked
from onestory_cli.quality import faults
from onestory_cli.store.locate import find_run
from onestory_cli.story.types import MAX_SHOT_SEED
from onestory_cli.utils.text import shell_quote

if TYPE_CHECKING:
    from onestory_cli.commands._render_film import RenderFlags
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.store.run import Run
    from onestory_cli.store.take_query import ListedTake
    from onestory_cli.store.takes import Take

COLUMNS = ("shot", "take", "id", "seed", "story", "state", "faults", "why")
SHEET = "takes.png"
SHORT_SEED = 6  # digits; `--json` has all of them
group = typer.Typer(help="List, render, import, accept and show takes of a shot.", no_args_is_help=True)

Folder = Annotated[Path, argument(metavar="DIR", help="Run directory, or its story.")]
Shot = Annotated[str, argument(metavar="SHOT", help="Id of the shot.", autocompletion=run_shots)]
AnyShot = Annotated[str | None, argument(metavar="[SHOT]", help="Only this shot.", autocompletion=run_shots)]
Which = Annotated[str, argument(metavar="TAKE", help="Number of the take, or the beginning of its id.")]
FirstSeed = Annotated[
    int | None,
    option("--seed", metavar="S", min=0, max=MAX_SHOT_SEED, help="Seed of the first take [default: derived]."),
]
AnyTake = Annotated[str | None, argument(metavar="[TAKE]", help="Number or id [default: the accepted take].")]


@group.command("list")
def list_takes(context: typer.Context, folder: Folder, shot: AnyShot = None, json: Json = False) -> ExitCode:
    """List the takes of a run: which are accepted, and which fit the current story."""
    from onestory_cli.store.takes import set_aside_takes

    run, screen = find_run(folder), screen_of(context)
    found = _listed(run, shot)
    set_aside = [path for path in set_aside_takes(run.path) if path.parent.name in found]
    if json:
        takes = [_as_json(name, item) for name, items in found.items() for item in items]
        screen.document("take-list", run=str(run.path), takes=takes, set_aside=[str(path) for path in set_aside])
    else:
        screen.table(COLUMNS, [_row(name, item) for name, items in found.items() for item in items], right=("take",))
        for path in set_aside:
            screen.note(f"{path}: a damaged take, set aside", style="dim")
    return ExitCode.DONE


@group.command("sheet")
def draw_takes(
    context: typer.Context,
    folder: Folder,
    shot: AnyShot = None,
    out: Annotated[
        Path | None,
        option("--out", metavar="FILE", help=f"Path of the picture [default: {SHEET} in the run directory]."),
    ] = None,
    force: Replace = False,
    json: Json = False,
) -> ExitCode:
    """Draw one picture with a row of frames per take."""
    from onestory_cli.report.take_sheet import draw_take_sheet

    if out:
        require_writable(out, PICTURE, force=force)
    run, screen = find_run(folder), screen_of(context)
    takes = [item for items in _listed(run, shot).values() for item in items]
    file = out or run.path / SHEET
    write_result(file, marked_png(draw_take_sheet(takes, str(run.path))))
    if json:
        screen.document("take-sheet", run=str(run.path), picture=str(file), takes=len(takes))
    else:
        screen.line(str(file))
    return ExitCode.DONE


def _listed(run: Run, shot: str | None) -> dict[str, tuple[ListedTake, ...]]:
    from onestory_cli.rendering.resume import load_run_plan
    from onestory_cli.store.take_query import list_all_takes, list_takes

    plan = load_run_plan(run)
    return {plan.job(shot).shot: list_takes(plan, run, shot)} if shot else list_all_takes(plan, run)


@dataclass(frozen=True, kw_only=True)
class NewFlags:
    """Options of `take new`."""

    number: Annotated[int, typer.Option("-n", "--number", metavar="N", min=1, help="Number of takes.")] = 1
    seed: FirstSeed = None
    device: Device = "auto"
    checkpoint_seconds: CheckpointSeconds = 30.0
    retry_bad: RetryBad = 0
    keep_original: KeepOriginal = False
    allow_commands: AllowCommands = False
    allow_outside: AllowServer = False
    pictures: ShowPictures = Pictures.AUTO


@group.command("new")
@gather
def new(context: typer.Context, *, folder: Folder, shot: Shot, asked: NewFlags, json: Json = False) -> ExitCode:
    """Generate more takes of a shot. The accepted take stays accepted unless --retry-bad replaces a faulty one."""
    from onestory_cli.rendering.resume import load_render_plan

    run, screen = find_run(folder), screen_of(context)
    plan = load_render_plan(run, allow_outside=asked.allow_outside)
    pictures = asked.pictures is Pictures.AUTO
    with screen.watch(json=json, pictures=pictures) as show, StopSignals(lambda: show(StopAsked())) as signals:
        try:
            made = _make(plan, run, shot, asked, show, stop=signals.asked)
        except KeyboardInterrupt:
            screen.note("interrupted: finished takes are kept, and the same command continues the unfinished one")
            return signals.exit
    next = [f"onestory take accept {shell_quote(run.path)} {shot} {made[0].record.take}"]
    if json:
        takes = [{"take": take.record.take, "id": take.id, "clip": str(take.clip)} for take in made]
        screen.document("take-new", run=str(run.path), shot=shot, takes=takes, next=next)
    else:
        screen.lines(str(take.clip) for take in made)
        screen.note(f"next: {next[0]}", style="dim")
    return ExitCode.DONE


def _make(
    plan: Plan, run: Run, shot: str, asked: NewFlags, emit: Display, *, stop: Callable[[], bool]
) -> tuple[Take, ...]:
    from onestory_cli.rendering.loading import allow_commands, generator_loader
    from onestory_cli.rendering.render import RenderOptions
    from onestory_cli.rendering.takes import make_takes

    plan = allow_commands(plan) if asked.allow_commands else plan
    return make_takes(
        plan,
        run,
        generator_loader(plan, asked.device, emit),
        emit,
        shot=shot,
        count=asked.number,
        seed=asked.seed,
        options=RenderOptions(
            stop=stop,
            checkpoint_seconds=asked.checkpoint_seconds,
            retry_bad=asked.retry_bad,
            keep_original=asked.keep_original,
            preview=emit.preview,
        ),
    )


group.command("import")(import_take)


@group.command("accept")
def accept(
    context: typer.Context,
    folder: Folder,
    shot: Shot,
    take: Which,
    keep_going: Annotated[
        bool, flag("--keep-going", help="Then render the shots that this makes stale, and join the film.")
    ] = False,
    device: Device = "auto",
    allow_commands: AllowCommands = False,
    allow_outside: AllowServer = False,
    keep_original: KeepOriginal = False,
    json: Json = False,
) -> ExitCode:
    """Accept a take: it is part of the film, and later shots remember it."""
    from onestory_cli.rendering.resume import load_run_plan
    from onestory_cli.store.take_query import acceptable_take
    from onestory_cli.store.writer import lock_run

    run, screen = find_run(folder), screen_of(context)
    with lock_run(run) as writer:  # before the plan is read: another process could change the story
        found = acceptable_take(load_run_plan(run), run, shot, take)
        writer.accept(shot, found, chosen=True)
    if keep_going:
        from onestory_cli.commands._render_film import RenderFlags

        flags = RenderFlags(device=device, allow_commands=allow_commands, keep_original=keep_original)
        return _render_rest(screen, run, flags, allow_outside=allow_outside, json=json)
    next = [f"onestory resume {shell_quote(run.path)}"]
    if json:
        screen.document("take-accept", run=str(run.path), shot=shot, take=found.record.take, id=found.id, next=next)
    else:
        screen.line(f"{shot}: take {found.record.take}, {found.id}")
        screen.note(f"next: {next[0]}", style="dim")
    return ExitCode.DONE


def _render_rest(screen: Screen, run: Run, flags: RenderFlags, *, allow_outside: bool, json: bool) -> ExitCode:
    from onestory_cli.commands._render_film import make_film
    from onestory_cli.rendering.resume import load_render_plan

    return make_film(screen, "resume", load_render_plan(run, allow_outside=allow_outside), run, flags, json=json)


@group.command("show")
def show(context: typer.Context, folder: Folder, shot: Shot, take: AnyTake = None, json: Json = False) -> ExitCode:
    """Print the path of a take's clip."""
    from onestory_cli.rendering.resume import load_run_plan
    from onestory_cli.store.take_query import find_take

    run, screen = find_run(folder), screen_of(context)
    found = find_take(load_run_plan(run), run, shot, take)
    if json:
        original = str(found.original) if found.original else None
        facts = {"shot": shot, "take": found.record.take, "clip": str(found.clip), "original": original}
        screen.document("take-show", run=str(run.path), **facts)
    else:
        screen.line(str(found.clip))
    return ExitCode.DONE


def _row(shot: str, item: ListedTake) -> tuple[str, ...]:
    record = item.take.record
    bad = ", ".join(map(str, faults(record.checks)))
    seed = "" if record.imported else str(record.spec["seed"])
    return (
        shot,
        str(record.take) if item.fits else "",  # numbers are those of the current story
        item.take.id[:6],
        seed if len(seed) <= SHORT_SEED else f"{seed[:SHORT_SEED]}…",
        "current" if item.fits else "old",
        "accepted" if item.accepted else "",
        bad,
        str(record.reason),
    )


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
        "original": str(item.take.original) if item.take.original else None,
        "imported": record.imported.name if record.imported else None,
    }
