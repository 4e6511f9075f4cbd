"""A batch on the screen: a table that moves, with the time left, and a line for each film that ends. Prints nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onestory_cli import events
from onestory_cli.utils.text import duration

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import RenderableType

NAME = 28  # columns for the name of a film
STYLES = {"done": "green", "failed": "red", "waits": "yellow", "stopped": "yellow", "left": "dim"}


@dataclass
class Progress:
    """How far a film is that is being made now. `part` is what is done of the shot at work, from 0 to 1."""

    worker: str
    shots: int
    done: int = 0
    part: float = 0.0
    doing: str = "starting"

    def hear(self, event: events.Event) -> float:
        """How much of a shot was made with this. From workers far away no steps are heard, only what is kept."""
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


@dataclass
class Board:
    """The films at work, one line each, and how long all of it will take, judged by what was made so far.

    `made` is in shots; `began` when the first step did, as models are loaded once.
    """

    films: int = 0
    shots: int = 0
    workers: int = 1
    ended: int = 0
    ended_shots: int = 0
    made: float = 0.0
    began: float = 0.0
    at_work: dict[str, Progress] = field(default_factory=dict)

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.BatchStarted():
                self.films, self.shots, self.workers, self.began = event.films, event.shots, event.workers, now()
            case events.FilmStarted():
                self.at_work[event.film] = Progress(worker=event.worker, shots=event.shots)
            case events.FilmTold() if event.film in self.at_work:
                made = self.at_work[event.film].hear(event.told)
                if not self.made and isinstance(event.told, events.StepDone):
                    self.began = now() - event.told.seconds
                self.made += made
            case events.WorkerLost():
                self.at_work.pop(event.film, None)
            case events.FilmEnded():
                progress = self.at_work.pop(event.film, None)
                self.ended += 1
                self.ended_shots += progress.shots if progress else 0

    def left(self) -> str:
        """The time left in words; nothing until some of a shot was made."""
        if not self.made:
            return ""
        parts = sum(item.done + item.part for item in self.at_work.values())
        per_shot = (now() - self.began) / self.made
        return f"{duration(max(0.0, per_shot * (self.shots - self.ended_shots - parts)))} left"

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        for ratio in (None, None, None, 1, None):  # what it is doing is cut to fit
            table.add_column(no_wrap=True, ratio=ratio)
        for name, item in self.at_work.items():
            bar = ProgressBar(total=item.shots, completed=min(item.shots, item.done + item.part), width=12)
            shots = f"{item.done}/{item.shots}"
            table.add_row(
                Text(short(name), style="bold"), bar, shots, Text(item.doing, style="dim"), f"w {item.worker}"
            )
        ended = Text(f"{self.ended} of {self.films} films", style="bold")
        return Group(table, Text.assemble(ended, "  ", (self.left(), "cyan")))


def short(name: str) -> str:
    """A name without its middle, if it is long: its end tells it from those of the same story."""
    return name if len(name) <= NAME else f"{name[: NAME // 3]}…{name[-(NAME - NAME // 3 - 1) :]}"


def now() -> float:
    return time.monotonic()


@dataclass
class FilmLines:
    """One plain line for each film that ends, and for what the reader must know."""

    rich: RichConsole
    films: int = 0
    ended: int = 0

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.BatchStarted():
                self.films = event.films
                workers = f"{event.workers} worker{'' if event.workers == 1 else 's'}"
                self._say(f"{event.films} films, {event.shots} shots, {workers}, {event.where}", "bold")
            case events.FilmTold(told=events.Warned() as told):
                self._say(f"{event.film}: warning[{told.code}] {told.message}", "yellow")
            case events.WorkerLost():
                then = f"; {event.film} goes on from its directory" if event.film else ""
                self._say(f"worker {event.worker} was lost, {event.why}{then}", "yellow")
            case events.FilmEnded():
                self.ended += 1
                self._say(f"[{self.ended}/{self.films}] {event.film}: {_ending(event)}", STYLES[event.state])
            case events.StopAsked():
                self._say("stopping all films after the step they are at; once more to stop at once")
            case events.BatchEnded():
                states = ", ".join(f"{count} {state}" for state, count in event.states.items())
                self._say(f"{states} in {duration(event.seconds)}", "bold")

    def _say(self, text: str, style: str = "") -> None:
        from rich.text import Text

        self.rich.print(Text(text, style=style), soft_wrap=True)


def _ending(event: events.FilmEnded) -> str:
    counts = f"{event.rendered} rendered, {event.kept} kept in {duration(event.seconds)}"
    finding = f": error[{event.code}] {event.message}" if event.code else ""
    return f"{event.state}, {counts}{finding}" + (f" ({event.help})" if event.help else "")
