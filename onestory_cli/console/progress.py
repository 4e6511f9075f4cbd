"""A render or a training on the console: plain lines, and for a terminal the bars of the film and the shot."""

from __future__ import annotations

import textwrap
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from onestory_cli import events
from onestory_cli.console.pictures import picture_lines, preview_picture
from onestory_cli.console.text import colored, print_line
from onestory_cli.errors import Diagnostic, format_concise
from onestory_cli.utils.text import duration, file_size, format_frames, pluralize, shell_quote, shorten_middle

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import ConsoleOptions, RenderableType, RenderResult

NAME_WIDTH = 24  # columns of a shot's name
MIN_HEIGHT = 24  # lines of a terminal that has room for pictures
MIN_PICTURE, MAX_PICTURE = 9, 16  # lines of a picture, by the height of the terminal


@dataclass
class PendingTake:
    """A take that is being generated: the reason for it, and what it remembers, as text."""

    reason: str = ""
    memory: str = "remembers nothing"


@dataclass
class RenderLines:
    """Print one plain line per shot, and one for each message."""

    rich: RichConsole
    run: str = ""
    shots: int = 0
    of_one_shot: bool = False  # count takes of one shot instead of shots
    numbers: dict[str, int] = field(default_factory=dict)
    pending: dict[str, list[PendingTake]] = field(default_factory=dict)  # a take may start before the last is committed
    unfinished: dict[str, str] = field(default_factory=dict)

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.RunStarted():
                self.run, self.shots = event.run, event.shots
                shots = pluralize(event.shots, "shot")
                self._print(f"{event.title}: {shots}, {event.kept} kept, model {event.model}", "bold")
            case events.TakesStarted():
                self.run, self.shots, self.of_one_shot = event.run, event.takes, True
                takes = "another take" if event.takes == 1 else f"{event.takes} other takes"
                self._print(f"{event.title}: {takes} of {event.shot}, model {event.model}", "bold")
            case events.ShotKept():
                why = event.reason.removeprefix("kept").removeprefix(": ")
                self._print_shot(event, f"kept {event.take[:6]}{_in_brackets(why)}", "dim")
            case events.ShotStarted():
                reason = f"{event.reason}; {event.goes_on}" if event.goes_on else event.reason
                self.pending.setdefault(event.shot, []).append(PendingTake(reason=reason))
            case events.Remembered() if self.pending.get(event.shot):
                self.pending[event.shot][-1].memory = remembers(event)
            case events.PartialKept():
                self.unfinished[event.shot] = f", {event.shot} up to step {event.step} of {event.steps}"
            case events.TakeCommitted():
                self._print_committed(event)
            case events.Warned():
                finding = Diagnostic(code=event.code, message=event.message, severity="warning", help=event.help)
                self.rich.print(colored(format_concise(finding)), soft_wrap="onestory " in event.help)
            case events.RunFinished():
                self._print(f"{event.rendered} rendered, {event.kept} kept in {duration(event.seconds)}", "bold")
                if event.faulty:
                    takes = "1 kept take has" if event.faulty == 1 else f"{event.faulty} kept takes have"
                    self._print(f"{takes} faults: onestory take list {shell_quote(self.run)}", "yellow")
            case events.StopAsked():
                self._print("stopping after this step; press Ctrl-C again to stop now")
            case events.RunInterrupted():
                done = f"{event.finished} of {event.shots} shots are finished and kept"
                self._print(f"interrupted: {done}{''.join(self.unfinished.values())}; continue with")
                self._print(f"  onestory resume {shell_quote(event.run)}", "bold")
            case events.StageStarted():
                self._print(f"{event.stage}: {event.parameters / 1e6:.1f} M parameters, from step {event.step}", "bold")
            case events.TrainingProgress():
                losses = ", ".join(f"{name} {value:.4f}" for name, value in event.losses.items())
                left = f"{event.samples_per_second:.1f} samples/s, {duration(event.seconds_left)} left"
                self._print(f"{event.stage}: step {event.step}/{event.steps}, {losses}, {left}")
            case events.CurationStarted():
                disk = f"about {file_size(event.disk_bytes)} on disk, {file_size(event.free_bytes)} free"
                self._print(f"{pluralize(event.videos, 'video')}, {duration(event.seconds)} in all: {disk}", "bold")
            case events.VideoCurated():
                what = event.fault or f"{pluralize(event.shots, 'shot')}, {event.kept} kept"
                left = f", {duration(event.seconds_left)} left" if event.seconds_left else ""
                text = f"[{event.done}/{event.videos}] {event.video}: {what}{left}"
                self._print(text, "yellow" if event.fault else "")
            case events.StageFinished():
                self._print(f"{event.stage}: {event.steps} steps in {duration(event.seconds)}", "bold")

    def _print_committed(self, event: events.TakeCommitted) -> None:
        self.unfinished.pop(event.shot, None)
        first, *self.pending[event.shot] = self.pending.get(event.shot) or [PendingTake()]
        made = f"rendered {event.take[:6]}{_in_brackets(first.reason)} in {duration(event.seconds)}"
        self._print_shot(event, f"{made}, {first.memory}, {event.memory_bytes / 1e9:.1f} GB")

    def _print_shot(self, event: events.ShotKept | events.TakeCommitted, text: str, style: str = "") -> None:
        number = self.numbers.setdefault(event.take if self.of_one_shot else event.shot, len(self.numbers) + 1)
        self._print(f"[{number}/{max(number, self.shots)}] {event.shot}: {text}", style)

    def _print(self, text: str, style: str = "") -> None:
        print_line(self.rich, text, style)


@dataclass
class RenderBars:
    """The moving part of a terminal: a bar for the film, and for the shot its steps, time left, memory and pictures."""

    status: str = "reading the story"
    loading_since: float | None = None
    name: str = ""  # of the shot or training stage
    step: int = 0
    steps: int = 1
    done: int = 0
    total: int = 0
    memory: str = ""
    node: str = ""  # of a workflow
    stage_left: str = ""
    after: str = "joining the film"
    finished: tuple[Any, str] | None = None  # picture and label of the last finished shot
    estimate: tuple[Any, str] | None = None  # of the shot that is being rendered
    drawn: tuple[object, RenderableType] | None = None  # both pictures, and what they were drawn from
    time: TimeLeft = field(default_factory=lambda: TimeLeft())  # defined below

    def __call__(self, event: events.Event) -> None:
        self.time(event)
        match event:
            case events.RunStarted():
                self.total = event.shots
            case events.TakesStarted():
                self.total, self.after = event.takes, "saving the take"
            case events.ModelLoading():
                self.loading_since, self.status = now(), f"loading {event.model} on {event.device}"
            case events.ModelLoaded():
                self.loading_since = None
            case events.ShotStarted():
                self.name, self.step, self.steps, self.memory = event.shot, 0, event.steps, ""
                self.node, self.estimate = "", None
            case events.Remembered():
                self.memory = remembers(event)
            case events.StepDone():
                self.step, self.steps = event.step, event.steps
            case events.NodeStep():
                self.node = f"{event.node}, step {event.step}/{event.steps}" if event.steps else event.node
            case events.ShotKept():
                self.done += 1
            case events.TakeCommitted():
                self.done += 1
                if event.shot == self.name:
                    self.name, self.status = "", self.after
            case events.DataPrepared():
                self.name, self.status = "", f"{event.what}: {event.done} of {event.total}"
            case events.VideoCurated():
                left = f", {duration(event.seconds_left)} left" if event.seconds_left else ""
                self.name, self.status = "", f"videos: {event.done} of {event.videos}{left}"
            case events.TrainingProgress():
                self.name, self.step, self.steps = event.stage, event.step, event.steps
                self.stage_left = f"{duration(event.seconds_left)} left"

    def show_picture(self, shot: str, step: int, steps: int, pixels_HW3: Any) -> None:
        """Show a picture: of the finished shot if `step` is the last one, else of the shot as estimated so far."""
        name = shorten_middle(shot, NAME_WIDTH)
        if step == steps:
            self.finished = (pixels_HW3, f"{name}, finished")
        else:
            self.estimate = (pixels_HW3, f"{name}, step {step} of {steps}")

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> RenderResult:
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 1), expand=True)
        for ratio in (None, 1, None, None):
            grid.add_column(ratio=ratio, no_wrap=True)
        if self.total:
            film = (self.done + self.step / self.steps if self.name else self.done, self.total)
            grid.add_row(*_bar("film", film, f"{min(self.done, self.total)}/{self.total}", self.time.film()))
        shown = self.name and self.loading_since is None
        if shown:
            left = self.stage_left or self.time.shot()
            grid.add_row(*_bar(self.name, (self.step, self.steps), f"step {self.step}/{self.steps}", left))
        yield grid
        if shown:
            for line in filter(None, (self.memory, self.node)):
                yield Text(textwrap.shorten(f"  {line}", options.max_width, placeholder=" ..."), style="dim")
        else:
            yield self._spinner()
        if console.height >= MIN_HEIGHT:
            yield self._pictures(options.max_width, max(MIN_PICTURE, min(MAX_PICTURE, console.height // 3)))

    def _pictures(self, width: int, rows: int) -> RenderableType:
        from rich.segment import Segment, Segments
        from rich.style import Style

        key = (self.finished and self.finished[1], self.estimate and self.estimate[1], width, rows)
        if self.drawn is None or self.drawn[0] != key:  # drawing costs more than all the rest
            wanted = filter(None, (self.finished, self.estimate))
            lines = picture_lines([preview_picture(pixels, label, rows=rows) for pixels, label in wanted], width)
            parts = (part for line in lines for part in (*line, ("\n", "")))
            self.drawn = key, Segments([Segment(text, Style.parse(style)) for text, style in parts])
        return self.drawn[1]

    def _spinner(self) -> RenderableType:
        from rich.spinner import Spinner

        waited = "" if self.loading_since is None else f" ({duration(now() - self.loading_since)})"
        spinner = Spinner("dots", text=f"{self.status}{waited}", style="cyan")
        spinner.start_time = 0.0  # the phase of the spinner depends on the clock alone, as a new one is drawn each time
        return spinner


def _bar(name: str, part: tuple[float, float], count: str, left: str) -> tuple[RenderableType, ...]:
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    completed, total = part
    bar = ProgressBar(total=total, completed=min(completed, total))
    return Text(shorten_middle(name, NAME_WIDTH), style="bold"), bar, Text(count), Text(left, style="cyan")


@dataclass
class TimeLeft:
    """Estimate of the time left for the shot and the film, from the steps and shots done so far."""

    waiting: int = 0  # shots that have not started
    step: int = 0
    steps: int = 0
    step_seconds: list[float] = field(default_factory=list)
    shot_seconds: list[float] = field(default_factory=list)
    stepped_at: float = 0.0
    loading_seconds: float = 0.0  # within the current shot

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.RunStarted():
                self.waiting = event.shots - event.kept
            case events.TakesStarted():
                self.waiting = event.takes
            case events.ShotStarted():
                self.waiting -= 1
                self.step, self.steps = 0, event.steps
                self.step_seconds.clear()
            case events.StepDone():
                self.step, self.steps, self.stepped_at = event.step, event.steps, now()
                self.step_seconds.append(event.seconds)
            case events.ModelLoaded():
                self.loading_seconds += event.seconds
            case events.TakeCommitted():
                self.shot_seconds.append(event.seconds - self.loading_seconds)
                self.loading_seconds = 0.0

    def shot(self) -> str:
        """Time left for the current shot as text; "" before its first step."""
        return f"{duration(self._shot())} left" if self.step_seconds else ""

    def film(self) -> str:
        """Time left for the film, or for all takes, as text; "" before the first step of a shot."""
        if not self.step_seconds:
            return ""
        per_shot = sum(self.shot_seconds) / len(self.shot_seconds) if self.shot_seconds else self._step() * self.steps
        return f"{duration(self._shot() + per_shot * max(0, self.waiting))} left"

    def _shot(self) -> float:
        return max(0.0, self._step() * (self.steps - self.step) - (now() - self.stepped_at))

    def _step(self) -> float:
        return sum(self.step_seconds) / len(self.step_seconds)


def now() -> float:
    return time.monotonic()


def remembers(event: events.Remembered) -> str:
    """Format the remembered frames in order of relevance: `remembers opening[2,3], city[0]`."""
    return f"remembers {format_frames(event.frames) or 'nothing'}"


def _in_brackets(reason: str) -> str:
    return f" ({reason})" if reason else ""
