"""The output of a command. `console.Console` implements it.

Commands get the screen from the Typer context and do not print or import the console.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol

import typer

from onestory_cli.errors import Diagnostic
from onestory_cli.events import Emit, Event, Preview


class OutputFormat(StrEnum):
    """Formats of findings."""

    FULL = "full"
    CONCISE = "concise"
    JSON = "json"
    GITHUB = "github"


class Pictures(StrEnum):
    """When a terminal shows pictures of the shots that are rendered."""

    AUTO = "auto"
    NEVER = "never"


class Display(Protocol):
    """Shows the events of a render, and pictures of its shots if `preview` is set."""

    @property
    def preview(self) -> Preview | None: ...

    def __call__(self, event: Event, /) -> None: ...


class Screen(Protocol):
    """Results go to stdout, everything else to stderr."""

    def line(self, text: str) -> None:
        """Print one line of a result on stdout. Line breaks and control characters in it are replaced."""

    def lines(self, texts: Iterable[str]) -> None:
        """Print several lines of a result on stdout."""

    def styled(self, lines: Iterable[Sequence[tuple[str, str]]]) -> None:
        """Print result lines on stdout. Each consists of parts: a text and its style ("" for none)."""

    @property
    def width(self) -> int:
        """Columns of stdout; 10000 if it is not a terminal."""

    @property
    def shows_pictures(self) -> bool:
        """Whether stdout is a terminal with at least 256 colours, enough for pictures of half blocks."""

    def note(self, text: str, *, style: str = "") -> None:
        """Print a note, one line, on stderr."""

    def document(self, command: str, /, **fields: object) -> None:
        """Print the JSON document of `command` on stdout. Its "schema" is `onestory.<command>.v1`."""

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
        """Print a table on stdout. Columns in `right` are aligned to the right."""

    def markdown(self, text: str, *, terminal: str) -> None:
        """Print a page on stdout: Markdown `terminal`, rendered, in a terminal; `text` unchanged in a pipe or file."""

    def findings(
        self, findings: Sequence[Diagnostic], *, format: OutputFormat = OutputFormat.FULL, result: bool = False
    ) -> None:
        """Print findings: on stdout if they are the `result` of the command, otherwise on stderr."""

    def watch(self, *, json: bool = False, pictures: bool = False) -> AbstractContextManager[Display]:
        """Show the events of a render in this context: progress on stderr, or JSON lines on stdout.

        With `pictures`, a terminal that can draw them also shows pictures of the shots.
        """

    def watch_films(self, *, json: bool = False) -> AbstractContextManager[Emit]:
        """Show the events of a batch in this context: a table of running films, or JSON lines."""


def screen_of(context: typer.Context) -> Screen:
    """Return the screen of this invocation."""
    screen: Screen = context.obj
    return screen
