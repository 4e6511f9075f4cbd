"""`onestory prune`: remove takes and partial work that the story does not use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._options import Json, RunArgument, flag, option
from onestory_cli.commands._screen import Screen, screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.store.locate import find_run

if TYPE_CHECKING:
    from onestory_cli.store.prune import Leftovers
    from onestory_cli.store.run import Run


def command(
    context: typer.Context,
    folder: RunArgument = None,
    keep: Annotated[
        int | None,
        option("--keep", metavar="N", min=0, help="Keep the latest N takes of each shot and the accepted one."),
    ] = None,
    unused: Annotated[
        bool, flag("--unused", help="Remove everything that the current story does not use [default].")
    ] = False,
    damaged: Annotated[bool, flag("--damaged", help="Remove only damaged takes that were set aside.")] = False,
    dry_run: Annotated[bool, flag("--dry-run", help="List what would be removed, and remove nothing.")] = False,
    json: Json = False,
) -> ExitCode:
    """Remove takes that are not accepted, and partial work that no shot resumes. Accepted takes stay."""
    from onestory_cli.rendering.resume import load_run_plan
    from onestory_cli.store import prune
    from onestory_cli.store.writer import lock_run

    if sum((unused, keep is not None, damaged)) > 1:
        raise typer.BadParameter("--keep, --unused and --damaged exclude each other")
    run, screen = find_run(folder), screen_of(context)
    with lock_run(run) as writer:  # before the plan is read: another process could change the story
        plan = load_run_plan(run)
        if damaged:
            found = prune.set_aside(run)
        else:
            found = prune.unused(plan, run) if keep is None else prune.older_takes(run, keep)
        freed = found.bytes
        if not dry_run:
            prune.remove(writer, found)
    if json:
        screen.document("prune", **_as_json(run, found), bytes=freed, removed=not dry_run)
    else:
        _show(screen, found, f"{freed} bytes {'would be ' if dry_run else ''}freed")
    return ExitCode.DONE


def _as_json(run: Run, found: Leftovers) -> dict[str, object]:
    return {
        "run": str(run.path),
        "takes": [f"{take.shot}/{take.id}" for take in found.takes],
        "partials": [str(path.relative_to(run.path)) for path in found.partials],
        "references": [str(path.relative_to(run.path)) for path in found.references],
        "damaged": [str(path.relative_to(run.path)) for path in found.damaged],
    }


def _show(screen: Screen, found: Leftovers, freed: str) -> None:
    for path in (*(take.folder for take in found.takes), *found.partials, *found.references, *found.damaged):
        screen.line(str(path))
    counts = {
        "takes": found.takes,
        "partials": found.partials,
        "latents of pictures": found.references,
        "damaged takes": found.damaged,
    }
    what = " and ".join(f"{len(of)} {name}" for name, of in counts.items() if of or name == "takes")
    screen.note(f"{what}, {freed}")
