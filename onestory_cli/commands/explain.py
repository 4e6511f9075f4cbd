"""`onestory explain`: what a code means, at length."""

from __future__ import annotations

import re
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._options import Json, argument
from onestory_cli.commands._screen import screen_of
from onestory_cli.commands._search import find, show
from onestory_cli.errors import ExitCode, lookup
from onestory_cli.manual import Match

if TYPE_CHECKING:
    from onestory_cli.codes import Code


def _all_codes() -> list[str]:
    from onestory_cli.codes import CODES

    return list(CODES)


def command(
    context: typer.Context,
    code: Annotated[
        str | None,
        argument(
            metavar="[CODE]",
            help="A code such as S104, or a word to search for. Lists all codes if omitted.",
            autocompletion=_all_codes,
        ),
    ] = None,
    json: Json = False,
) -> ExitCode:
    """Explain an error or warning code, or search the codes and the manual for a word."""
    screen = screen_of(context)
    sections: list[Match] = []
    if code is None:
        rows = [lookup(name) for name in _all_codes()]
    elif re.fullmatch(r"\s*[A-Za-z]\d+\s*", code):
        rows = [lookup(code)]
    else:
        sections, rows = find(code)
    if json:
        codes = [{**asdict(row), "severity": row.severity} for row in rows]
        screen.document("explain", codes=codes, matches=[asdict(match) for match in sections])
    elif code is None:
        screen.table(("code", "meaning"), [(row.code, row.title) for row in rows])
    elif sections or len(rows) > 1:
        show(screen, sections, rows)
    else:
        screen.lines(_page(rows[0], screen.width).splitlines())
    return ExitCode.DONE


def _page(row: Code, width: int) -> str:
    explanation = textwrap.fill(row.explanation, width=min(88, width), break_on_hyphens=False)
    bad, good = (textwrap.indent(text, " " * 8).lstrip() for text in (row.bad, row.good))
    return f"{row.severity}[{row.code}]: {row.title}\n\n{explanation}\n\n  bad:  {bad}\n  good: {good}"
