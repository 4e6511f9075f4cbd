"""The console: results on stdout; findings, progress and remarks on stderr."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, TextIO

from onestory_cli import events
from onestory_cli.console.progress import Bar, Lines
from onestory_cli.console.text import colored, github_annotation, harmless, harmless_json, styled
from onestory_cli.errors import Diagnostic, OnestoryError, format_concise, format_full

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

UNBOUNDED = 10_000  # columns: text for pipes and files is never wrapped or cut
ROOMY = 100  # columns from which on tables have wider gaps
PAGE_WIDTH = 100  # columns of pages of the manual


class Console:
    """A `commands._screen.Screen` over two text streams."""

    def __init__(self, *, stdout: TextIO, stderr: TextIO, color: bool) -> None:
        self._out, self._err, self._color = stdout, stderr, color

    def line(self, text: str) -> None:
        self._out.write(harmless(text) + "\n")

    def styled(self, lines: Iterable[Sequence[tuple[str, str]]]) -> None:
        from rich.text import Text

        rich = self._rich(self._out)
        with rich.capture() as capture:
            for parts in lines:
                rich.print(Text.assemble(*((harmless(text), style) for text, style in parts)))
        self._lines(capture.get())

    @property
    def width(self) -> int:
        return self._rich(self._out).width

    @property
    def shows_pictures(self) -> bool:
        return self._rich(self._out).color_system in ("256", "truecolor")

    def note(self, text: str, *, style: str = "") -> None:
        self._rich(self._err).print(styled(text, style), soft_wrap=True)

    def document(self, command: str, /, **fields: object) -> None:
        document = json.dumps({"schema": f"onestory.{command}.v1", **fields}, ensure_ascii=False, default=str)
        self.line(harmless_json(document))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
        from rich.table import Table
        from rich.text import Text

        rich = self._rich(self._out)
        gap = 3 if rich.width >= ROOMY else 2
        table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold", collapse_padding=True)
        for column in columns:
            table.add_column(Text(column), justify="right" if column in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(harmless(cell)) for cell in row))
        with rich.capture() as capture:
            rich.print(table)
        self._lines(capture.get())

    def markdown(self, text: str, *, terminal: str) -> None:
        rich = self._rich(self._out)
        if not rich.is_terminal:
            self.line(text.rstrip())
            return
        from rich.markdown import Markdown

        with rich.capture() as capture:
            rich.print(
                Markdown(harmless(terminal), hyperlinks=False, code_theme="ansi_dark"),
                width=min(rich.width, PAGE_WIDTH),
            )
        self._lines(capture.get())

    def findings(self, findings: Sequence[Diagnostic], *, format: str = "full", result: bool = False) -> None:
        stream = self._out if result else self._err
        rich = self._rich(stream)
        for index, item in enumerate(findings):
            if format == "github":
                stream.write(github_annotation(item) + "\n")
            elif format == "concise":
                rich.print(colored(format_concise(item)), soft_wrap=True)
            else:
                rich.print(*([""] if index else []), colored(format_full(item)), sep="\n", soft_wrap=True)

    def fault(self, fault: OnestoryError, *, command: str, json: bool) -> None:
        """Show the error that ended `command`."""
        if json:
            self.document(
                "error", command=command, exit=int(fault.exit), diagnostics=[asdict(item) for item in fault.diagnostics]
            )
        else:
            self.findings(fault.diagnostics)

    @contextmanager
    def watch(self, *, json: bool = False) -> Iterator[events.Emit]:
        if json:
            yield self._json_event
        elif self._err.isatty() and not self._rich(self._err).is_dumb_terminal:
            with self._live() as show:
                yield show
        else:
            yield Lines(self._rich(self._err))

    @contextmanager
    def watch_films(self, *, json: bool = False) -> Iterator[events.Emit]:
        from onestory_cli.console.batch_progress import Board, FilmLines

        if json:
            yield self._json_event
        elif self._err.isatty() and not self._rich(self._err).is_dumb_terminal:
            from rich.live import Live

            board = Board()
            with Live(board, console=self._rich(self._err), transient=True, refresh_per_second=4) as live:
                lines = FilmLines(live.console)

                def show(event: events.Event) -> None:
                    board(event)
                    lines(event)

                yield show
        else:
            yield FilmLines(self._rich(self._err))

    def _json_event(self, event: events.Event) -> None:
        self.line(harmless_json(json.dumps({"event": type(event).__name__, **asdict(event)}, ensure_ascii=False)))
        self._out.flush()

    @contextmanager
    def _live(self) -> Iterator[events.Emit]:
        from rich.live import Live
        from rich.spinner import Spinner

        bar = Bar(spinner=Spinner("dots", style="cyan"))
        with Live(bar, console=self._rich(self._err), transient=True, refresh_per_second=8) as live:
            lines = Lines(live.console)

            def show(event: events.Event) -> None:
                bar(event)
                lines(event)

            yield show

    def _lines(self, text: str) -> None:
        """Print what Rich drew, colours included, without the spaces that end its lines."""
        self._out.write("\n".join(line.rstrip() for line in text.splitlines()) + "\n")

    def _rich(self, stream: TextIO) -> RichConsole:
        from rich.console import Console as RichConsole

        terminal = stream.isatty()
        return RichConsole(
            file=stream,
            force_terminal=terminal,  # FORCE_COLOR must not put escapes into a pipe
            color_system="auto" if terminal and self._color else None,
            width=None if terminal else UNBOUNDED,
            highlight=False,
            emoji=False,
        )
