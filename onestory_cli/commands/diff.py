"""`onestory diff`: what differs between two runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._files import PAGE, require_writable, write_result
from onestory_cli.commands._options import Json, argument, flag, option
from onestory_cli.commands._plan_view import contrast
from onestory_cli.commands._report_page import Replace
from onestory_cli.commands._screen import Screen, screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.store.locate import find_run
from onestory_cli.utils.text import pluralize

if TYPE_CHECKING:
    from onestory_cli.report.run_diff import ShotComparison


def command(
    context: typer.Context,
    left: Annotated[Path, argument(metavar="A", help="Run directory, or its story.")],
    right: Annotated[Path, argument(metavar="B", help="Another run directory, or its story.")],
    page: Annotated[
        Path | None, option("--page", metavar="FILE", help="Write a page with both runs side by side instead.")
    ] = None,
    link: Annotated[bool, flag("--link", help="With --page: link to the clips instead of embedding them.")] = False,
    force: Replace = False,
    exit_code: Annotated[bool, flag("--exit-code", help="Exit with 1 if the runs differ.")] = False,
    json: Json = False,
) -> ExitCode:
    """Show what differs between the accepted takes of two runs: captions, settings, seeds, memory and pictures."""
    from onestory_cli.report.data import read_film
    from onestory_cli.report.run_diff import compare_runs

    if page:
        require_writable(page, PAGE, force=force)
    films = [read_film(find_run(folder)) for folder in (left, right)]
    screen, compared = screen_of(context), compare_runs(*films)
    if page:
        from onestory_cli.report.diff_page import diff_page

        write_result(page, diff_page(films[0], films[1], link_from=page.parent if link else None).encode())
    if json:
        runs = {"left": str(films[0].run), "right": str(films[1].run)}
        screen.document("diff", **runs, shots=[asdict(item) for item in compared])
    else:
        for film in films:
            screen.findings(film.warnings)
        if page:
            screen.line(str(page))
        else:
            _show(screen, compared)
    differ = any(item.state != "same" for item in compared)
    return ExitCode.FINDINGS if exit_code and differ else ExitCode.DONE


def _show(screen: Screen, compared: tuple[ShotComparison, ...]) -> None:
    for item in compared:
        if item.state == "same":
            continue
        pictures = "; same pictures" if item.pictures else ""
        screen.line(f"{item.shot}: {item.state}{pictures}")
        for difference in item.differences:
            old, new = contrast(difference.left, difference.right)
            screen.line(f"  {difference.what}: {old} -> {new}")
        if item.state == "changed" and not item.differences:
            screen.line("  pictures: rendered from the same inputs with other results")
    changed = sum(item.state != "same" for item in compared)
    screen.line(f"{pluralize(changed, 'shot')} of {len(compared)} differ" if changed else "no differences")
