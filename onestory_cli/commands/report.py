"""`onestory report`: a run directory as one self-contained page, or as a Markdown summary."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._files import PAGE, PICTURE, SUMMARY, marked_png, require_writable, write_result
from onestory_cli.commands._options import Json, RunArgument, flag, option
from onestory_cli.commands._report_page import Replace, ScoresFile, read_scores_file, warn_missing_glyphs, write_page
from onestory_cli.commands._screen import Screen, screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.store.locate import find_run

if TYPE_CHECKING:
    from onestory_cli.report.data import FilmReport
    from onestory_cli.report.scores import Scores

DEFAULT_NAME = "report.html"
_SHEET = ".png"  # suffix of a summary's contact sheet


def command(
    context: typer.Context,
    folder: RunArgument = None,
    out: Annotated[
        Path | None,
        option("--out", metavar="FILE", help=f"Path of the page [default: {DEFAULT_NAME} in the run directory]."),
    ] = None,
    link: Annotated[
        bool, flag("--link", help="Link to the clips instead of embedding them. The page is small and needs them.")
    ] = False,
    markdown: Annotated[
        Path | None,
        option(
            "--markdown",
            metavar="FILE",
            help="Write a Markdown summary instead, with a contact sheet next to it.",
        ),
    ] = None,
    no_picture: Annotated[bool, flag("--no-picture", help="With --markdown: no contact sheet.")] = False,
    scores: ScoresFile = None,
    identity: Annotated[
        bool, flag("--identity", help="Measure character consistency now, with the storyworld read-out.")
    ] = False,
    force: Replace = False,
    json: Json = False,
) -> ExitCode:
    """Write a page with the film, every shot, and what each shot remembered."""
    from onestory_cli.report.data import read_film

    of_page = {"--out": out, "--link": link, "--scores": scores, "--identity": identity}
    _refuse_conflicts([name for name, value in of_page.items() if value], markdown, picture=not no_picture)
    if out:
        require_writable(out, PAGE, force=force)
    if markdown:
        require_writable(markdown, SUMMARY, force=force)
        if not no_picture:
            require_writable(markdown.with_suffix(_SHEET), PICTURE, force=force)
    film, screen = read_film(find_run(folder)), screen_of(context)
    if markdown:
        write_summary(film, markdown, screen, picture=not no_picture, json=json)
        return ExitCode.DONE
    measured = _measured(film, screen) if identity else read_scores_file(scores, film)
    write_page(film, out or film.run / DEFAULT_NAME, screen, link=link, scores=measured, json=json)
    return ExitCode.DONE


def _refuse_conflicts(of_page: list[str], markdown: Path | None, *, picture: bool) -> None:
    """Refuse options that exclude each other. `of_page` are the given options that apply to a page only.

    Raises:
        typer.BadParameter: names the options.
    """
    if {"--scores", "--identity"} <= {*of_page}:
        raise typer.BadParameter("--identity measures scores and --scores reads them: use one of the two")
    if markdown and of_page:
        raise typer.BadParameter(f"{of_page[0]} applies to the page, and --markdown does not write one")
    if not markdown and not picture:
        raise typer.BadParameter("--no-picture applies to the summary of --markdown")
    if markdown and picture and markdown.suffix.lower() == _SHEET:
        raise typer.BadParameter(f'the contact sheet would overwrite "{markdown}": use a name that ends in .md')


def _measured(film: FilmReport, screen: Screen) -> Scores:
    """Measure the film's characters with the read-out of the storyworld."""
    from onestory_cli.evaluation.videos.films import read_film
    from onestory_cli.evaluation.videos.run import measure_film
    from onestory_cli.evaluation.videos.world import load_readout_reader
    from onestory_cli.report.scores import scores_of

    reader = load_readout_reader(film.run)
    with screen.watch() as show:
        result = measure_film(read_film(film.run), reader, emit=show)
    return scores_of(json_.loads(json_.dumps(result.document())), film, str(film.run))


def write_summary(film: FilmReport, file: Path, screen: Screen, *, picture: bool, json: bool) -> None:
    """Write the Markdown summary of a film to `file`, and its contact sheet next to it."""
    from onestory_cli.report.markdown import markdown

    sheet = file.with_suffix(_SHEET) if picture and film.shots else None
    if sheet:
        from onestory_cli.report.contact import draw_sheet

        drawn = draw_sheet(film)
        write_result(sheet, marked_png(drawn.png))
        warn_missing_glyphs(drawn.unwritten, screen)
    screen.findings(film.warnings)
    write_result(file, SUMMARY + markdown(film, picture=sheet.name if sheet else "").encode())
    if json:
        screen.document("summary", run=str(film.run), summary=str(file), picture=str(sheet) if sheet else None)
    else:
        screen.line(str(file))
