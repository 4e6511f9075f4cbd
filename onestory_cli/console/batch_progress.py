"""A batch on the console: a line for each film that ends, and for a terminal a table of the running films."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onestory_cli import events
from onestory_cli.console.text import print_line
from onestory_cli.utils.text import duration, pluralize, shorten_middle

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import ConsoleOptions, RenderableType, RenderResult

MIN_LABEL = 8  # columns of the name of a shot or model in a narrow terminal
NAME_WIDTH = 30  # columns of a film's name; its last 14 hold seed and hash
STYLES = {"done": "green", "failed": "red", "waits": "yellow", "stopped": "yellow", "left": "dim"}


@dataclass
class FilmProgress:
    """Progress of a running film. `part` is the fraction of the current shot that is done."""

    worker: str
    shots: int
    done: int = 0
    part: float = 0.0
    doing: str = "starting"

    def update(self, event: events.Event) -> float:
        """Return the fraction of a shot that `event` adds. Remote workers report checkpoints instead of steps."""
        before = self.part
        match event:
            case events.ModelLoading():
                self.doing = f"loading {event.model}"
            case events.ShotStarted():
                self.doing, self.part = event.shot, 0.0
            case events.StepDone() | events.PartialKept():
                self.doing, self.part = f"step {event.step}/{event.steps} of {event.shot}", event.step / event.steps
                return 1 / event.steps if isinstance(event, events.StepDone) else max(0.0, self.part - before)
            case events.ShotKept() | events.TakeCommitted():
                self.done += 1
                self.part = 0.0 if self.done == self.shots else self.part
            case events.FilmMuxed():
                self.doing = "joined"
        return 0.0


@dataclass(frozen=True)
class FittedLabel:
    """A text whose last word, a name, is shortened in the middle so that the text fits into its column."""

    text: str

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        start, space, name = self.text.rpartition(" ")
        start += space
        yield Text(start + shorten_middle(name, max(MIN_LABEL, options.max_width - len(start))), style="dim")


@dataclass
class BatchTable:
    """A row for each running film, and the time left for the batch.

    `rendered` counts shots; `started` is when the first step began, so that loading models is not counted.
    """

    films: int = 0
    shots: int = 0
    ended: int = 0
    ended_shots: int = 0
    rendered: float = 0.0
    started: float = 0.0
    running: dict[str, FilmProgress] = field(default_factory=dict)

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.BatchStarted():
                self.films, self.shots, self.started = event.films, event.shots, now()
            case events.FilmStarted():
                self.running[event.film] = FilmProgress(worker=event.worker, shots=event.shots)
            case events.FilmTold() if event.film in self.running:
                added = self.running[event.film].update(event.told)
                if not self.rendered and isinstance(event.told, events.StepDone):
                    self.started = now() - event.told.seconds
                self.rendered += added
            case events.WorkerLost():
                self.running.pop(event.film, None)
            case events.FilmEnded():
                progress = self.running.pop(event.film, None)
                self.ended += 1
                self.ended_shots += progress.shots if progress else 0

    def time_left(self) -> str:
        """Time left as text; "" before the first step of a shot."""
        if not self.rendered:
            return ""
        parts = sum(item.done + item.part for item in self.running.values())
        per_shot = (now() - self.started) / self.rendered
        return f"{duration(max(0.0, per_shot * (self.shots - self.ended_shots - parts)))} left"

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        for ratio in (None, None, None, 1, None):  # the column `doing` gets the rest
            table.add_column(no_wrap=True, ratio=ratio)
        for name, item in self.running.items():
            bar = ProgressBar(total=item.shots, completed=min(item.shots, item.done + item.part), width=12)
            film, doing = Text(shorten_middle(name, NAME_WIDTH), style="bold"), FittedLabel(item.doing)
            table.add_row(film, bar, f"{item.done}/{item.shots}", doing, f"w {item.worker}")
        ended = Text(f"{self.ended} of {pluralize(self.films, 'film')}", style="bold")
        return Group(table, Text.assemble(ended, "  ", (self.time_left(), "cyan")))


def now() -> float:
    return time.monotonic()


@dataclass
class BatchLines:
    """Print one plain line for each film that ends, and for each message."""

    rich: RichConsole
    films: int = 0
    ended: int = 0

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.BatchStarted():
                self.films = event.films
                counts = (pluralize(event.films, "film"), pluralize(event.shots, "shot"))
                self._print(", ".join((*counts, pluralize(event.workers, "worker"), event.where)), "bold")
            case events.FilmTold(told=events.Warned() as warning):
                self._print(f"{event.film}: warning[{warning.code}] {warning.message}", "yellow")
            case events.WorkerLost():
                then = f"; {event.film} resumes from its run directory" if event.film else ""
                self._print(f"worker {event.worker} was lost, {event.why}{then}", "yellow")
            case events.FilmEnded():
                self.ended += 1
                self._print(f"[{self.ended}/{self.films}] {event.film}: {_ending(event)}", STYLES[event.state])
            case events.StopAsked():
                self._print("stopping all films after their current step; press Ctrl-C again to stop now")
            case events.BatchEnded():
                states = ", ".join(f"{count} {state}" for state, count in event.states.items())
                self._print(f"{states} in {duration(event.seconds)}", "bold")

    def _print(self, text: str, style: str = "") -> None:
        print_line(self.rich, text, style)


def _ending(event: events.FilmEnded) -> str:
    counts = f"{event.rendered} rendered, {event.kept} kept in {duration(event.seconds)}"
    finding = f": error[{event.code}] {event.message}" if event.code else ""
    return f"{event.state}, {counts}{finding}" + (f" ({event.help})" if event.help else "")
