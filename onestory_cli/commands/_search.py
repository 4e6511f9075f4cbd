"""Search for `onestory help WORD` and `onestory explain WORD`: pages of the manual and error codes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from onestory_cli import manual
from onestory_cli.commands._screen import Screen
from onestory_cli.errors import ExitCode, OnestoryError, shorten

if TYPE_CHECKING:
    from onestory_cli.codes import Code

MAX_SECTIONS = 15  # `--json` lists all


def find(word: str) -> tuple[list[manual.Match], list[Code]]:
    """Sections of the manual and error codes in which a word begins with `word`.

    Raises:
        OnestoryError: U606 if there are none.
    """
    from onestory_cli.codes import CODES

    pattern = re.compile(rf"\b{re.escape(word.strip())}", re.IGNORECASE)
    codes = [row for row in CODES.values() if pattern.search(f"{row.title} {row.explanation} {row.bad}")]
    sections = manual.search(word)
    if not word.strip() or not (sections or codes):
        near = difflib.get_close_matches(word.lower()[:40], sorted(manual.words()), n=1, cutoff=0.7)
        help = f'did you mean "{near[0]}"?' if near else "`onestory help` lists the pages of the manual"
        raise OnestoryError("U606", f'nothing found for "{shorten(word)}"', help=help, exit=ExitCode.USAGE)
    return sections, codes


def show(screen: Screen, sections: Sequence[manual.Match], codes: Sequence[Code]) -> None:
    """Print what `find` found."""
    if sections:
        rows = [(match.topic, match.section, shorten(match.line, 70)) for match in sections[:MAX_SECTIONS]]
        screen.table(("topic", "section", "text"), rows)
    if sections and codes:
        screen.line("")
    if codes:
        screen.table(("code", "meaning"), [(row.code, row.title) for row in codes])
    if len(sections) > MAX_SECTIONS:
        screen.note(f"{len(sections) - MAX_SECTIONS} more sections are not shown; `--json` lists all of them")
    screen.note("`onestory help TOPIC` shows a page, `onestory explain CODE` a code")
