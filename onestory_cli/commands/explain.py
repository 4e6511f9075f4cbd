"""`onestory explain`: what a code means, at length."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._options import Json
from onestory_cli.commands._screen import screen_of
from onestory_cli.errors import ExitCode, lookup

if TYPE_CHECKING:
    from onestory_cli.codes import Code


def _all_codes() -> list[str]:
    from onestory_cli.codes import CODES

    return list(CODES)


def command(
    context: typer.Context,
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="[CODE]", help="As in error[S104]; all of them when left out.", autocompletion=_all_codes
        ),
    ] = None,
    json: Json = False,
) -> ExitCode:
    """Say what an error or a warning means, and how to mend it."""
    rows = [lookup(code)] if code else [lookup(name) for name in _all_codes()]
    screen = screen_of(context)
    if json:
        screen.document("explain", codes=[{**asdict(row), "severity": row.severity} for row in rows])
    elif code:
        screen.line(_page(rows[0], screen.width))
    else:
        screen.table(("code", "meaning"), [(row.code, row.title) for row in rows])
    return ExitCode.DONE


def _page(row: Code, width: int) -> str:
    explanation = textwrap.fill(row.explanation, width=min(88, width), break_on_hyphens=False)
    bad, good = (textwrap.indent(text, " " * 7).lstrip() for text in (row.bad, row.good))
    return f"{row.severity}[{row.code}]: {row.title}\n\n{explanation}\n\n  not: {bad}\n  but: {good}"
