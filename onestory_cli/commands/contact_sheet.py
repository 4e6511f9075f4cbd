"""`onestory contact-sheet`: a film as one picture, for a pull request or a message."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands._options import Json, RunArgument, option
from onestory_cli.commands._output import write_result
from onestory_cli.commands._report_options import tell_unwritten
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.store.locate import find_run

SHEET, STRIP = "contact-sheet.png", "film-strip.png"


def command(
    context: typer.Context,
    folder: RunArgument = None,
    out: Annotated[
        Path | None,
        option("--out", metavar="FILE", help=f"Where to; else {SHEET} in the run directory, or {STRIP} with --strip."),
    ] = None,
    strip: Annotated[
        int | None,
        option("--strip", metavar="N", min=1, help="A film strip instead: the middle frame of every shot, N to a row."),
    ] = None,
    json: Json = False,
) -> ExitCode:
    """Write one picture: a row per shot, and what it remembered."""
    from onestory_cli.report.contact import draw_sheet, draw_strip
    from onestory_cli.report.data import read_film

    film, screen = read_film(find_run(folder)), screen_of(context)
    file = out or film.run / (STRIP if strip else SHEET)
    if strip:
        png, unwritten = draw_strip(film, columns=strip), ""  # ids are plain letters
    else:
        sheet = draw_sheet(film)
        png, unwritten = sheet.png, sheet.unwritten
    screen.findings(film.warnings)
    write_result(file, png)
    tell_unwritten(unwritten, screen)
    if json:
        screen.document("contact-sheet", run=str(film.run), picture=str(file), unwritten=unwritten)
    else:
        screen.line(str(file))
    return ExitCode.DONE
