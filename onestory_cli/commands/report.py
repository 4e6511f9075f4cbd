"""`onestory report`: a run directory as one page that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands.options import Json, RunArgument, flag
from onestory_cli.commands.runs import find_run
from onestory_cli.commands.screen import Screen, screen_of
from onestory_cli.commands.writing import write_result
from onestory_cli.errors import ExitCode

if TYPE_CHECKING:
    from onestory_cli.report.data import FilmReport

PAGE = "report.html"


def command(
    context: typer.Context,
    folder: RunArgument = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help=f"Where to; else {PAGE} in the run directory.", show_default=False),
    ] = None,
    link: Annotated[
        bool, flag("--link", help="Refer to the clips where they are; the page is small, and needs them there.")
    ] = False,
    json: Json = False,
) -> ExitCode:
    """Write a page: the film, every shot, and what each of them remembered."""
    from onestory_cli.report.data import read_film

    film = read_film(find_run(folder))
    write_page(film, out or film.run / PAGE, screen_of(context), link=link, json=json)
    return ExitCode.DONE


def write_page(film: FilmReport, file: Path, screen: Screen, *, link: bool, json: bool) -> None:
    """Write the page of a film to `file`, whole or not at all, and say where it is."""
    from onestory_cli.report.page import render_page

    page = render_page(film, beside=file.parent if link else None).encode()
    write_result(file, page)
    if json:
        screen.document("report", run=str(film.run), page=str(file), bytes=len(page))
    else:
        screen.line(str(file))
