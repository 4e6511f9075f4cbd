"""`onestory contact-sheet`: a film as one picture, for a pull request or a message."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands._files import PICTURE, marked_png, require_writable, write_result
from onestory_cli.commands._options import Json, RunArgument, option
from onestory_cli.commands._report_page import Replace, warn_missing_glyphs
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.store.locate import find_run

SHEET, STRIP = "contact-sheet.png", "film-strip.png"


def command(
    context: typer.Context,
    folder: RunArgument = None,
    out: Annotated[
        Path | None,
        option(
            "--out",
            metavar="FILE",
            help=f"Path of the picture [default: {SHEET} in the run directory, or {STRIP} with --strip].",
        ),
    ] = None,
    strip: Annotated[
        int | None,
        option("--strip", metavar="N", min=1, help="Draw a film strip instead: one frame per shot, N per row."),
    ] = None,
    force: Replace = False,
    json: Json = False,
) -> ExitCode:
    """Write one picture with a row per shot and what it remembered."""
    from onestory_cli.report.contact import draw_sheet, draw_strip
    from onestory_cli.report.data import read_film

    if out:
        require_writable(out, PICTURE, force=force)
    film, screen = read_film(find_run(folder)), screen_of(context)
    file = out or film.run / (STRIP if strip else SHEET)
    if strip:
        png, unwritten = draw_strip(film, columns=strip), ""  # ids need no special glyphs
    else:
        sheet = draw_sheet(film)
        png, unwritten = sheet.png, sheet.unwritten
    screen.findings(film.warnings)
    write_result(file, marked_png(png))
    warn_missing_glyphs(unwritten, screen)
    if json:
        screen.document("contact-sheet", run=str(film.run), picture=str(file), unwritten=unwritten)
    else:
        screen.line(str(file))
    return ExitCode.DONE
