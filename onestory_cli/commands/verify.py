"""`onestory verify`: check every byte of a run against its checksums."""

from __future__ import annotations

from dataclasses import asdict

import typer

from onestory_cli.commands._options import Json, RunArgument
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.store.locate import find_run
from onestory_cli.utils.text import pluralize, shell_quote


def command(context: typer.Context, folder: RunArgument = None, json: Json = False) -> ExitCode:
    """Verify all checksums of a run and list damaged files. Exits with 1 if there are any."""
    from onestory_cli.store.takes import set_aside_takes
    from onestory_cli.store.verify import find_damage

    run, screen = find_run(folder), screen_of(context)
    takes_by_shot = run.takes_by_shot()
    damages = find_damage(run, takes_by_shot)
    set_aside = set_aside_takes(run.path)
    takes = sum(len(shot_takes.takes) for shot_takes in takes_by_shot.values())
    if json:
        screen.document(
            "verify",
            run=str(run.path),
            takes=takes,
            damages=[asdict(item) for item in damages],
            set_aside=[str(path) for path in set_aside],
            next=[f"onestory resume {shell_quote(run.path)}"] if damages else [],
        )
    else:
        for damage in damages:
            screen.line(f"{damage.path}: {damage.why}")
        screen.note(f"{pluralize(takes, 'intact take')}, {pluralize(len(damages), 'damaged file')}")
        for path in set_aside:
            screen.note(f"{path}: a damaged take, set aside; remove it with `onestory prune --damaged`", style="dim")
        if damages:
            screen.note("the next render regenerates what depends on them", style="dim")
    return ExitCode.FINDINGS if damages else ExitCode.DONE
