"""The page of a film and its scores, for report and inspect-memory, and what a picture cannot show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from onestory_cli.commands._files import write_result
from onestory_cli.commands._options import flag, option
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
        help="Show the character consistency that `evaluate FILM --out FILE` measured.",
    ),
]
Replace = Annotated[bool, flag("--force", help="Replace the result of an earlier call.")]


def read_scores_file(file: Path | None, film: FilmReport) -> Scores | None:
    """Read the scores of the film's characters; None without a file."""
    from onestory_cli.report.scores import read_scores

    return read_scores(file, film) if file else None


def write_page(
    film: FilmReport, file: Path, screen: Screen, *, scores: Scores | None, link: bool = False, json: bool
) -> None:
    """Write the page of a film to `file` and print its path."""
    from onestory_cli.report.page import render_page

    page = render_page(film, link_from=file.parent if link else None, scores=scores).encode()
    screen.findings(film.warnings)
    write_result(file, page)
    if json:
        screen.document("report", run=str(film.run), page=str(file), bytes=len(page))
    else:
        screen.line(str(file))


def warn_missing_glyphs(letters: str, screen: Screen) -> None:
    """Report letters of captions that no font on this machine has."""
    if letters:
        screen.note(f'no font on this machine has {shorten(letters, 40)}; the picture shows "(?)" instead')
        screen.note("install a font that has them, for example Noto Sans")
