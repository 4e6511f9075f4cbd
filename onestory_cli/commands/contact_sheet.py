"""`onestory contact-sheet`: a film as one picture, for a pull request or a message."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands.options import Json, RunArgument
from onestory_cli.commands.runs import find_run
from onestory_cli.commands.screen import screen_of
from onestory_cli.commands.writing import write_result
from onestory_cli.errors import ExitCode

SHEET = "contact-sheet.png"


def command(
    context: typer.Context,
    folder: RunArgument = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help=f"Where to; else {SHEET} in the run directory.", show_default=False),
    ] = None,
    json: Json = False,
) -> ExitCode:
    """Write one picture: a row per shot, and what it remembered."""
    from onestory_cli.report.contact import draw_sheet
    from onestory_cli.report.data import read_film

    film = read_film(find_run(folder))
    file = out or film.run / SHEET
    write_result(file, draw_sheet(film))
    if json:
        screen_of(context).document("contact-sheet", run=str(film.run), picture=str(file))
    else:
        screen_of(context).line(str(file))
    return ExitCode.DONE
