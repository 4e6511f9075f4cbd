"""`onestory verify`: whether every byte of a run is as it was written."""

from __future__ import annotations

from dataclasses import asdict

import typer

from onestory_cli.commands._options import Json, RunArgument
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.store.locate import find_run


def command(context: typer.Context, folder: RunArgument = None, json: Json = False) -> ExitCode:
    """Check every digest of a run and name what is damaged; exits with 1 where something is."""
    from onestory_cli.store.verify import find_damage

    run, screen = find_run(folder), screen_of(context)
    takes_by_shot = run.takes_by_shot()
    damages = find_damage(run, takes_by_shot)
    takes = sum(len(shot_takes.takes) for shot_takes in takes_by_shot.values())
    if json:
        screen.document("verify", run=str(run.path), takes=takes, damages=[asdict(item) for item in damages])
    else:
        for damage in damages:
            screen.line(f"{damage.path}: {damage.why}")
        screen.note(f"{takes} whole takes, {len(damages)} damages")
        if damages:
            screen.note("the next render makes again what depends on them", style="dim")
    return ExitCode.FINDINGS if damages else ExitCode.DONE
