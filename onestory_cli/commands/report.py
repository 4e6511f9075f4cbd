"""`onestory report`: a run directory as one page that needs nothing else."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands.options import Json, RunArgument, flag, option
from onestory_cli.commands.reporting import ScoresFile, scores_in, tell_unwritten, write_page
from onestory_cli.commands.runs import find_run
from onestory_cli.commands.screen import Screen, screen_of
from onestory_cli.commands.writing import refuse_folder, write_result
from onestory_cli.errors import ExitCode

if TYPE_CHECKING:
    from onestory_cli.report.data import FilmReport
    from onestory_cli.report.scores import Scores

PAGE = "report.html"


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

    _refuse_together(scores=scores, identity=identity, markdown=markdown)
    film, screen = read_film(find_run(folder)), screen_of(context)
    if markdown:
        write_summary(film, markdown, screen, picture=not no_picture, json=json)
        return ExitCode.DONE
    measured = _measured(film, screen) if identity else scores_in(scores, film)
    write_page(film, out or film.run / PAGE, screen, link=link, scores=measured, json=json)
    return ExitCode.DONE


def _refuse_together(*, scores: Path | None, identity: bool, markdown: Path | None) -> None:
    given = [name for name, value in (("--scores", scores), ("--identity", identity)) if value]
    if len(given) > 1:
        raise typer.BadParameter("--identity measures, and --scores has what was measured: one of them")
    if given and markdown:
        raise typer.BadParameter(f"{given[0]} is drawn on the page, and --markdown writes none")


def _measured(film: FilmReport, screen: Screen) -> Scores:
    """What the read-out sees of the film's characters."""
    from onestory_cli.evaluation.videos.films import read_film
    from onestory_cli.evaluation.videos.run import measure_film
    from onestory_cli.evaluation.videos.world import world_eyes
    from onestory_cli.report.scores import scores_of

    eyes = world_eyes(film.run)
    with screen.watch() as show:
        result = measure_film(read_film(film.run), eyes, emit=show)
    return scores_of(json_.loads(json_.dumps(result.document())), film, str(film.run))


def write_summary(film: FilmReport, file: Path, screen: Screen, *, picture: bool, json: bool) -> None:
    """Write the Markdown of a film to `file`, and its contact sheet beside, under the same name."""
    from onestory_cli.report.markdown import markdown

    refuse_folder(file)
    sheet = file.with_suffix(".png") if picture and film.shots else None
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
