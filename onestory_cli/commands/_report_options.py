"""What `report`, `inspect-memory` and `contact-sheet` share: the page, scores on it, and what a picture cannot show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from onestory_cli.commands._options import option
from onestory_cli.commands._output import write_result
from onestory_cli.commands._screen import Screen
from onestory_cli.errors import shorten

if TYPE_CHECKING:
    from onestory_cli.report.data import FilmReport
    from onestory_cli.report.scores import Scores

ScoresFile = Annotated[
    Path | None,
    option(
        "--scores",
        metavar="FILE",
        help="Draw how like themselves characters stay, as `evaluate FILM --out FILE` measured it.",
    ),
]


def scores_in(file: Path | None, film: FilmReport) -> Scores | None:
    """What a file tells of the film's characters; None without one."""
    from onestory_cli.report.scores import read_scores

    return read_scores(file, film) if file else None


def write_page(
    film: FilmReport, file: Path, screen: Screen, *, scores: Scores | None, link: bool = False, json: bool
) -> None:
    """Write the page of a film to `file`, whole or not at all, and say where it is."""
    from onestory_cli.report.page import render_page

    page = render_page(film, beside=file.parent if link else None, scores=scores).encode()
    screen.findings(film.warnings)
    write_result(file, page)
    if json:
        screen.document("report", run=str(film.run), page=str(file), bytes=len(page))
    else:
        screen.line(str(file))


def tell_unwritten(letters: str, screen: Screen) -> None:
    """Say which letters a picture could not have."""
    if letters:
        screen.note(f'no font on this machine has {shorten(letters, 40)}: "(?)" stands there')
        screen.note("install one that has them; Noto Sans comes for every script")
