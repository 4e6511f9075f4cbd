"""What a command may say, and to whom. `console.Console` is the screen that the real program uses.

Commands do not import the console: they are given a screen through the Typer context and print nothing themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol

import typer

from onestory_cli.errors import Diagnostic
from onestory_cli.events import Emit


class Format(StrEnum):
    """How findings are written."""

    FULL = "full"
    CONCISE = "concise"
    JSON = "json"
    GITHUB = "github"


class Screen(Protocol):
    """Results go to stdout, everything else to stderr."""

    def line(self, text: str) -> None:
        """Print one line of a result on stdout. Line breaks and control characters in it are replaced."""

    def lines(self, texts: Iterable[str]) -> None:
        """Print several lines of a result on stdout."""

    def styled(self, lines: Iterable[Sequence[tuple[str, str]]]) -> None:
        """Print result lines on stdout, each made of parts: a text and its style ("" for none)."""

    @property
    def width(self) -> int:
        """Characters in a line of stdout; very many where it is no terminal."""

    @property
    def shows_pictures(self) -> bool:
        """Whether stdout is a terminal with enough colours for small pictures."""

    def note(self, text: str, *, style: str = "") -> None:
        """Print a remark, on stderr."""

    def document(self, command: str, /, **fields: object) -> None:
        """Print the one JSON document of `command`, on stdout; its "schema" is `onestory.<command>.v1`."""

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
        """Print a table, on stdout; the columns named in `right` hold numbers."""

    def markdown(self, text: str, *, terminal: str) -> None:
        """Print a page on stdout: Markdown `terminal`, rendered, in a terminal; `text` unchanged in a pipe or file."""

    def findings(self, findings: Sequence[Diagnostic], *, format: Format = Format.FULL, result: bool = False) -> None:
        """Print findings, on stdout where they are the command's `result`, else on stderr."""

    def watch(self, *, json: bool = False) -> AbstractContextManager[Emit]:
        """Show a render's events while the context lasts: progress on stderr, or JSON lines on stdout."""

    def watch_films(self, *, json: bool = False) -> AbstractContextManager[Emit]:
        """The same for the films of a batch: a table with the time left."""


def screen_of(context: typer.Context) -> Screen:
    """The screen that `cli.main` gave to this invocation."""
    screen: Screen = context.obj
    return screen
