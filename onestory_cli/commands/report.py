"""`onestory report`: a run directory as one page that needs nothing else."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._options import Json, RunArgument, flag, option
from onestory_cli.commands._output import refuse_folder, write_result
from onestory_cli.commands._report_options import ScoresFile, scores_in, tell_unwritten, write_page
from onestory_cli.commands._screen import Screen, screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.store.locate import find_run

if TYPE_CHECKING:
    from onestory_cli.report.data import FilmReport
    from onestory_cli.report.scores import Scores

PAGE = "report.html"
_SHEET = ".png"  # the suffix of a summary's contact sheet, which has its name


def command(
    context: typer.Context,
    folder: RunArgument = None,
    out: Annotated[
        Path | None, option("--out", metavar="FILE", help=f"Where to; else {PAGE} in the run directory.")
    ] = None,
    link: Annotated[
        bool, flag("--link", help="Refer to the clips where they are; the page is small, and needs them there.")
    ] = False,
    markdown: Annotated[
        Path | None,
        option(
            "--markdown",
            metavar="FILE",
            help="Write a summary in Markdown instead, and beside it the contact sheet that it shows.",
        ),
    ] = None,
    no_picture: Annotated[bool, flag("--no-picture", help="With --markdown: without the contact sheet.")] = False,
    scores: ScoresFile = None,
    identity: Annotated[
        bool, flag("--identity", help="Of a film of the storyworld: measure that now, with the read-out.")
    ] = False,
    json: Json = False,
) -> ExitCode:
    """Write a page: the film, every shot, and what each of them remembered."""
    from onestory_cli.report.data import read_film

    of_page = {"--out": out, "--link": link, "--scores": scores, "--identity": identity}
    _refuse_together([name for name, value in of_page.items() if value], markdown, picture=not no_picture)
    film, screen = read_film(find_run(folder)), screen_of(context)
    if markdown:
        write_summary(film, markdown, screen, picture=not no_picture, json=json)
        return ExitCode.DONE
    measured = _measured(film, screen) if identity else scores_in(scores, film)
    write_page(film, out or film.run / PAGE, screen, link=link, scores=measured, json=json)
    return ExitCode.DONE


def _refuse_together(of_page: list[str], markdown: Path | None, *, picture: bool) -> None:
    """Refuse options that do not go together; `of_page` are those given that only a page heeds.

    Raises:
        typer.BadParameter: says which, and why.
    """
    if {"--scores", "--identity"} <= {*of_page}:
        raise typer.BadParameter("--identity measures, and --scores has what was measured: one of them")
    if markdown and of_page:
        raise typer.BadParameter(f"{of_page[0]} is for the page, and --markdown writes none")
    if not markdown and not picture:
        raise typer.BadParameter("--no-picture is for the summary of --markdown, and a page has its pictures")
    if markdown and picture and markdown.suffix.lower() == _SHEET:
        raise typer.BadParameter(f'"{markdown}" is where the contact sheet would be: name a file that ends in .md')


def _measured(film: FilmReport, screen: Screen) -> Scores:
    """What the read-out sees of the film's characters."""
    from onestory_cli.evaluation.videos.films import read_film
    from onestory_cli.evaluation.videos.run import measure_film
    from onestory_cli.evaluation.videos.world import load_readout_reader
    from onestory_cli.report.scores import scores_of

    eyes = load_readout_reader(film.run)
    with screen.watch() as show:
        result = measure_film(read_film(film.run), eyes, emit=show)
    return scores_of(json_.loads(json_.dumps(result.document())), film, str(film.run))


def write_summary(film: FilmReport, file: Path, screen: Screen, *, picture: bool, json: bool) -> None:
    """Write the Markdown of a film to `file`, and its contact sheet beside, under the same name."""
    from onestory_cli.report.markdown import markdown

    refuse_folder(file)
    sheet = file.with_suffix(_SHEET) if picture and film.shots else None
    if sheet:
        from onestory_cli.report.contact import draw_sheet

        drawn = draw_sheet(film)
        write_result(sheet, drawn.png)
        tell_unwritten(drawn.unwritten, screen)
    screen.findings(film.warnings)
    write_result(file, markdown(film, picture=sheet.name if sheet else "").encode())
    if json:
        screen.document("summary", run=str(film.run), summary=str(file), picture=str(sheet) if sheet else None)
    else:
        screen.line(str(file))
