"""Displays of running work: plain lines, and on a terminal a moving part below them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from onestory_cli import events
from onestory_cli.console.batch_progress import BatchLines, BatchTable
from onestory_cli.console.progress import RenderBars, RenderLines

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import RenderableType


@contextmanager
def render_display(rich: RichConsole) -> Iterator[events.Emit]:
    """Show the events of a render or a training while the context is open."""
    bars = RenderBars()
    with _display(rich, bars, bars, RenderLines) as show:
        yield show


@contextmanager
def batch_display(rich: RichConsole) -> Iterator[events.Emit]:
    """Show the events of a batch while the context is open."""
    table = BatchTable()
    with _display(rich, table, table, BatchLines) as show:
        yield show


@contextmanager
def _display(
    rich: RichConsole, moving: RenderableType, update: events.Emit, lines_on: Callable[[RichConsole], events.Emit]
) -> Iterator[events.Emit]:
    if not rich.is_terminal or rich.is_dumb_terminal:
        yield lines_on(rich)
        return
    from rich.live import Live

    with Live(moving, console=rich, transient=True, refresh_per_second=8) as live:
        lines = lines_on(live.console)

        def show(event: events.Event) -> None:
            update(event)
            lines(event)

        yield show
