"""The console: results on stdout; findings, progress and notes on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TextIO

from onestory_cli import events
from onestory_cli.console.text import cleaned, colored, github_annotation, print_line
from onestory_cli.errors import Diagnostic, OnestoryError, format_concise, format_full
from onestory_cli.utils.text import printable, printable_json

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import RenderableType

UNBOUNDED = 10_000  # columns: text for pipes and files is neither wrapped nor cut
ROOMY = 100  # columns from which tables have wider gaps
PAGE_WIDTH = 100  # columns of manual pages


class Console:
    """The implementation of `commands._screen.Screen` on two text streams."""

    def __init__(self, *, stdout: TextIO, stderr: TextIO, color: bool) -> None:
        self._out, self._err, self._color = stdout, stderr, color

    @property
    def width(self) -> int:
        return _rich(self._out, self._color).width

    @property
    def shows_pictures(self) -> bool:
        return shows_pictures(_rich(self._out, self._color))

    def line(self, text: str) -> None:
        self._out.write(printable(text) + "\n")

    def lines(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.line(text)

    def styled(self, lines: Iterable[Sequence[tuple[str, str]]]) -> None:
        from rich.text import Text

        rich = _rich(self._out, self._color)
        with rich.capture() as capture:
            for parts in lines:
                rich.print(Text.assemble(*((printable(text), style) for text, style in parts)))
        _write_drawn(self._out, capture.get())

    def note(self, text: str, *, style: str = "") -> None:
        print_line(_rich(self._err, self._color), text, style)

    def document(self, command: str, /, **fields: object) -> None:
        document = json.dumps({"schema": f"onestory.{command}.v1", **fields}, ensure_ascii=False, default=str)
        self._out.write(printable_json(document) + "\n")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
        from rich.table import Table
        from rich.text import Text

        rich = _rich(self._out, self._color)
        gap = 3 if rich.width >= ROOMY else 2
        table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold", collapse_padding=True)
        for column in columns:
            table.add_column(Text(column), justify="right" if column in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        with rich.capture() as capture:
            rich.print(table)
        _write_drawn(self._out, capture.get())

    def markdown(self, text: str, *, terminal: str) -> None:
        rich = _rich(self._out, self._color)
        if not rich.is_terminal:
            self.lines(text.rstrip().splitlines())
            return
        from rich.markdown import Markdown

        page = Markdown(terminal, hyperlinks=False, code_theme="ansi_dark")
        with rich.capture() as capture:
            rich.print(page, width=min(rich.width, PAGE_WIDTH))
        _write_drawn(self._out, capture.get())

    def findings(self, findings: Sequence[Diagnostic], *, format: str = "full", result: bool = False) -> None:
        stream = self._out if result else self._err
        rich = _rich(stream, self._color)
        for index, item in enumerate(map(cleaned, findings)):
            if format == "github":
                stream.write(github_annotation(item) + "\n")
            elif format == "concise":
                rich.print(colored(format_concise(item)), soft_wrap=True)
            else:
                rich.print(*([""] if index else []), colored(format_full(item)), sep="\n", soft_wrap=True)

    def fault(self, fault: OnestoryError, *, command: str, json: bool) -> None:
        """Print the error that ended `command`."""
        if json:
            self.document(
                "error", command=command, exit=int(fault.exit), diagnostics=[asdict(item) for item in fault.diagnostics]
            )
        else:
            self.findings(fault.diagnostics)

    @contextmanager
    def watch(self, *, json: bool = False, pictures: bool = False) -> Iterator[EventDisplay]:
        if json:
            yield EventDisplay(emit=lambda event: _write_event(self._out, event))
        else:
            with render_display(_rich(self._err, self._color), pictures=pictures) as display:
                yield display

    @contextmanager
    def watch_films(self, *, json: bool = False) -> Iterator[events.Emit]:
        if json:
            yield lambda event: _write_event(self._out, event)
        else:
            with batch_display(_rich(self._err, self._color)) as show:
                yield lambda event: show(cleaned(event))

    def flush(self) -> None:
        """Write what is buffered, so that a full disk is reported and not lost at exit."""
        self._out.flush()


def _write_event(stream: TextIO, event: events.Event) -> None:
    document = json.dumps({"event": type(event).__name__, **asdict(event)}, ensure_ascii=False)
    stream.write(printable_json(document) + "\n")
    stream.flush()


def _write_drawn(stream: TextIO, text: str) -> None:
    """Write what Rich drew, including colours, without spaces at the end of lines."""
    stream.write("\n".join(line.rstrip() for line in text.splitlines()) + "\n")


def _rich(stream: TextIO, color: bool) -> RichConsole:
    from rich.console import Console as RichConsole

    terminal = stream.isatty()
    return RichConsole(
        file=stream,
        force_terminal=terminal,  # even with FORCE_COLOR no escape sequences go into a pipe
        color_system="auto" if terminal and color else None,
        width=None if terminal else UNBOUNDED,
        highlight=False,
        emoji=False,
    )


@dataclass(frozen=True, kw_only=True)
class EventDisplay:
    """Shows events, and pictures of shots if `preview` is set."""

    emit: events.Emit
    preview: events.Preview | None = None

    def __call__(self, event: events.Event) -> None:
        self.emit(event)


@contextmanager
def render_display(rich: RichConsole, *, pictures: bool = False) -> Iterator[EventDisplay]:
    """Show the events of a render or a training while the context is open. `pictures` need a terminal with colours."""
    from onestory_cli.console.progress import RenderBars, RenderLines

    bars = RenderBars()
    with _display(rich, bars, bars, RenderLines) as show:
        yield EventDisplay(
            emit=lambda event: show(cleaned(event)),
            preview=bars.show_picture if pictures and shows_pictures(rich) else None,
        )


def shows_pictures(rich: RichConsole) -> bool:
    """Whether this is a terminal with at least 256 colours, enough for pictures of half blocks."""
    moves = rich.is_terminal and not rich.is_dumb_terminal
    return moves and rich.color_system in ("256", "truecolor") and rich.encoding.startswith("utf")


@contextmanager
def batch_display(rich: RichConsole) -> Iterator[events.Emit]:
    """Show the events of a batch while the context is open."""
    from onestory_cli.console.batch_progress import BatchLines, BatchTable

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
