"""`onestory report`: a run directory as one page that needs nothing else."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands.options import Json, RunArgument, flag
from onestory_cli.commands.runs import find_run
from onestory_cli.commands.screen import Screen, screen_of
from onestory_cli.commands.writing import write_result
from onestory_cli.errors import ExitCode, shorten

if TYPE_CHECKING:
    from onestory_cli.report.data import FilmReport
    from onestory_cli.report.scores import Scores

PAGE = "report.html"


ScoresFile = Annotated[
    Path | None,
    typer.Option(
        "--scores",
        metavar="FILE",
        help="Draw how like themselves characters stay, as `evaluate FILM --out FILE` measured it.",
        show_default=False,
    ),
]


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


def scores_in(file: Path | None, film: FilmReport) -> Scores | None:
    """What a file tells of the film's characters; None without one."""
    from onestory_cli.report.scores import read_scores

    return read_scores(file, film) if file else None


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

    sheet = file.with_suffix(".png") if picture and film.shots else None
    if sheet:
        from onestory_cli.report.contact import draw_sheet

        drawn = draw_sheet(film)
        write_result(sheet, drawn.png)
        tell_unwritten(drawn.unwritten, screen)
    write_result(file, markdown(film, picture=sheet.name if sheet else "").encode())
    if json:
        screen.document("summary", run=str(film.run), summary=str(file), picture=str(sheet) if sheet else None)
    else:
        screen.line(str(file))


def tell_unwritten(letters: str, screen: Screen) -> None:
    """Say which letters a picture could not have."""
    if letters:
        named = shorten(letters, 40)
        screen.note(
            f'no font on this machine has {named}: "(?)" stands there; a font like Noto Sans CJK has most letters'
        )


def write_page(film: FilmReport, file: Path, screen: Screen, *, link: bool, scores: Scores | None, json: bool) -> None:
    """Write the page of a film to `file`, whole or not at all, and say where it is."""
    from onestory_cli.report.page import render_page

    page = render_page(film, beside=file.parent if link else None, scores=scores).encode()
    write_result(file, page)
    if json:
        screen.document("report", run=str(film.run), page=str(file), bytes=len(page))
    else:
        screen.line(str(file))
