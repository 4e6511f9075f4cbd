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
    markdown: Annotated[
        Path | None,
        typer.Option(
            "--markdown",
            metavar="FILE",
            help="Write a summary in Markdown instead, and beside it the contact sheet that it shows.",
            show_default=False,
        ),
    ] = None,
    no_picture: Annotated[bool, flag("--no-picture", help="With --markdown: without the contact sheet.")] = False,
    json: Json = False,
) -> ExitCode:
    """Write a page: the film, every shot, and what each of them remembered."""
    from onestory_cli.report.data import read_film

    film = read_film(find_run(folder))
    if markdown:
        write_summary(film, markdown, screen_of(context), picture=not no_picture, json=json)
    else:
        write_page(film, out or film.run / PAGE, screen_of(context), link=link, json=json)
    return ExitCode.DONE


def write_summary(film: FilmReport, file: Path, screen: Screen, *, picture: bool, json: bool) -> None:
    """Write the Markdown of a film to `file`, and its contact sheet beside, under the same name."""
    from onestory_cli.report.markdown import markdown

    sheet = file.with_suffix(".png") if picture and film.shots else None
    if sheet:
        from onestory_cli.report.contact import draw_sheet

        write_result(sheet, draw_sheet(film))
    write_result(file, markdown(film, picture=sheet.name if sheet else "").encode())
    if json:
        screen.document("summary", run=str(film.run), summary=str(file), picture=str(sheet) if sheet else None)
    else:
        screen.line(str(file))


def write_page(film: FilmReport, file: Path, screen: Screen, *, link: bool, json: bool) -> None:
    """Write the page of a film to `file`, whole or not at all, and say where it is."""
    from onestory_cli.report.page import render_page

    page = render_page(film, beside=file.parent if link else None).encode()
    write_result(file, page)
    if json:
        screen.document("report", run=str(film.run), page=str(file), bytes=len(page))
    else:
        screen.line(str(file))
