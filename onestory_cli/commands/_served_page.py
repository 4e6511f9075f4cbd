"""Options of the commands that serve a page, and what they print when it can be opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._options import flag
from onestory_cli.commands._screen import Screen
from onestory_cli.errors import ExitCode, OnestoryError

if TYPE_CHECKING:
    from onestory_cli.review.server import ReviewServer

Port = Annotated[
    int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Port of the page; 0 takes a free one.")
]
OpenPage = Annotated[bool, flag("--open", help="Open the page in the browser.")]


def announce_page(server: ReviewServer, screen: Screen, note: str, *, open_page: bool) -> None:
    """Print the address of a page and a note, and open it in the browser if asked."""
    screen.line(server.address)
    screen.note(note, style="dim")
    if open_page:
        typer.launch(server.address)


def missing_extra(fault: ModuleNotFoundError) -> OnestoryError:
    """The error for a package of the extra `review` that is not installed."""
    return OnestoryError(
        "U610",
        f"{fault.name} is not installed",
        help="run pip install 'onestory[review]'",
        exit=ExitCode.MACHINE,
    )
