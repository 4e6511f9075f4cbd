"""`onestory prune`: old takes and work that nobody goes on with go, what counts stays."""

from __future__ import annotations

from typing import Annotated

import typer

from onestory_cli.commands.options import Json, RunArgument, flag
from onestory_cli.commands.runs import find_run
from onestory_cli.commands.screen import screen_of
from onestory_cli.errors import ExitCode


def command(
    context: typer.Context,
    folder: RunArgument = None,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            metavar="N",
            min=0,
            help="Keep the latest N takes of each shot beside the accepted one.",
            show_default=False,
        ),
    ] = None,
    unused: Annotated[bool, flag("--unused", help="Remove what the story has no use for now; this is usual.")] = False,
    dry_run: Annotated[bool, flag("--dry-run", help="Say what would be removed and remove nothing.")] = False,
    json: Json = False,
) -> ExitCode:
    """Remove takes that do not count and work that nobody goes on with; never an accepted take."""
    from onestory_cli.render import load_run_plan
    from onestory_cli.store.prune import (
        freed_bytes,
        older_takes,
        remove_partials,
        remove_takes,
        unused_partials,
        unused_takes,
    )

    if unused and keep is not None:
        raise typer.BadParameter("--keep and --unused exclude each other")
    run, screen = find_run(folder), screen_of(context)
    plan = load_run_plan(run)
    with run.locked():
        takes = unused_takes(plan, run) if keep is None else older_takes(run, keep)
        partials = unused_partials(plan, run) if keep is None else ()
        freed = freed_bytes(takes) + sum(item.path.stat().st_size for item in partials)
        if not dry_run:
            remove_takes(run, takes)
            remove_partials(run, partials)
    if json:
        names = [f"{take.shot}/{take.id}" for take in takes]
        cut_off = [str(item.path.relative_to(run.path)) for item in partials]
        screen.document("prune", run=str(run.path), takes=names, partials=cut_off, bytes=freed, removed=not dry_run)
    else:
        for take in takes:
            screen.line(str(take.folder))
        for item in partials:
            screen.line(str(item.path))
        what = f"{len(takes)} takes" + (f" and {len(partials)} partials" if partials else "")
        screen.note(f"{what}, {freed} bytes {'would be ' if dry_run else ''}freed")
    return ExitCode.DONE
