"""What a render or a training says of itself: plain lines, and on a terminal a moving part below them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onestory_cli import events
from onestory_cli.console.text import colored, styled
from onestory_cli.errors import Diagnostic, format_concise
from onestory_cli.utils.text import duration, quoted

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import RenderableType
    from rich.spinner import Spinner


@dataclass
class Begun:
    """A take that is in the making, in words: why, and what it remembers."""

    reason: str = ""
    memory: str = "remembers nothing"


@dataclass
class Lines:
    """One plain line per shot, and one for each thing that the reader must know."""

    rich: RichConsole
    run: str = ""
    shots: int = 0
    of_one: bool = False  # takes of one shot are counted, else shots
    numbers: dict[str, int] = field(default_factory=dict)
    begun: dict[str, list[Begun]] = field(default_factory=dict)  # by shot: the next take begins before one is committed
    unfinished: dict[str, str] = field(default_factory=dict)

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.RunStarted():
                self.run, self.shots = event.run, event.shots
                self._say(f"{event.title}: {event.shots} shots, {event.kept} kept, model {event.model}", "bold")
            case events.TakesStarted():
                self.run, self.shots, self.of_one = event.run, event.takes, True
                takes = "another take" if event.takes == 1 else f"{event.takes} other takes"
                self._say(f"{event.title}: {takes} of {event.shot}, model {event.model}", "bold")
            case events.ShotKept():
                why = event.reason.removeprefix("kept").removeprefix(": ")
                self._shot(event, f"kept {event.take[:6]}{_because(why)}", "dim")
            case events.ShotStarted():
                reason = f"{event.reason}; {event.goes_on}" if event.goes_on else event.reason
                self.begun.setdefault(event.shot, []).append(Begun(reason=reason))
            case events.Remembered() if self.begun.get(event.shot):
                self.begun[event.shot][-1].memory = remembers(event.frames)
            case events.PartialKept():
                self.unfinished[event.shot] = f", {event.shot} up to step {event.step} of {event.steps}"
            case events.TakeCommitted():
                self.unfinished.pop(event.shot, None)
                first, *self.begun[event.shot] = self.begun.get(event.shot) or [Begun()]
                made = f"rendered {event.take[:6]}{_because(first.reason)} in {duration(event.seconds)}"
                self._shot(event, f"{made}, {first.memory}, {event.memory_bytes / 1e9:.1f} GB")
            case events.Warned():
                finding = Diagnostic(code=event.code, message=event.message, severity="warning", help=event.help)
                self.rich.print(colored(format_concise(finding)), soft_wrap=True)
            case events.RunFinished():
                self._say(f"{event.rendered} rendered, {event.kept} kept in {duration(event.seconds)}", "bold")
                if event.faulty:
                    takes = "1 kept take has" if event.faulty == 1 else f"{event.faulty} kept takes have"
                    self._say(f"{takes} faults: onestory take list {quoted(self.run)}", "yellow")
            case events.StopAsked():
                self._say("stopping after this step; once more to stop at once")
            case events.RunInterrupted():
                kept = (
                    f"{event.finished} of {event.shots} shots are finished and kept{''.join(self.unfinished.values())}"
                )
                self._say(f"interrupted: {kept}; go on with")
                self._say(f"  onestory resume {quoted(event.run)}", "bold")
            case events.StageStarted():
                self._say(f"{event.stage}: {event.parameters / 1e6:.1f} M parameters, from step {event.step}", "bold")
            case events.TrainingProgress():
                losses = ", ".join(f"{name} {value:.4f}" for name, value in event.losses.items())
                left = f"{event.samples_per_second:.1f} samples/s, {duration(event.seconds_left)} left"
                self._say(f"{event.stage}: step {event.step}/{event.steps}, {losses}, {left}")
            case events.VideoCurated():
                what = event.fault or f"{event.shots} shots, {event.kept} kept"
                self._say(f"[{event.done}/{event.videos}] {event.video}: {what}", "yellow" if event.fault else "")
            case events.StageFinished():
                self._say(f"{event.stage}: {event.steps} steps in {duration(event.seconds)}", "bold")

    def _shot(self, event: events.ShotKept | events.TakeCommitted, text: str, style: str = "") -> None:
        number = self.numbers.setdefault(event.take if self.of_one else event.shot, len(self.numbers) + 1)
        self._say(f"[{number}/{max(number, self.shots)}] {event.shot}: {text}", style)

    def _say(self, text: str, style: str = "") -> None:
        self.rich.print(styled(text, style), soft_wrap=True)


@dataclass
class Bar:
    """The moving part of a terminal: what is being made, its steps, and how long it and the film will take."""

    spinner: Spinner
    status: str = "reading the story"
    loading: bool = False
    name: str = ""
    step: int = 0
    steps: int = 1
    memory: str = ""
    stage_left: str = ""
    after: str = "joining the film"
    pace: Pace = field(default_factory=lambda: Pace())  # defined below

    def __call__(self, event: events.Event) -> None:
        self.pace(event)
        match event:
            case events.TakesStarted():
                self.after = "keeping the take"
            case events.ModelLoading():
                self.loading, self.status = True, f"loading {event.model} on {event.device}"
            case events.ModelLoaded():
                self.loading = False
            case events.ShotStarted():
                self.name, self.step, self.steps, self.memory = event.shot, 0, event.steps, ""
            case events.Remembered():
                self.memory = remembers(event.frames)
            case events.StepDone():
                self.step = event.step
            case events.TakeCommitted() if event.shot == self.name:
                self.name, self.status = "", self.after
            case events.DataPrepared():
                self.name, self.status = "", f"{event.what}: {event.done} of {event.total}"
            case events.VideoCurated():
                self.name, self.status = "", f"videos: {event.done} of {event.videos}"
            case events.TrainingProgress():
                self.name, self.step, self.steps = event.stage, event.step, event.steps
                self.stage_left = f"{duration(event.seconds_left)} left"

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if self.loading or not self.name:
            self.spinner.update(text=self.status)
            return self.spinner
        grid = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=self.steps, completed=self.step, width=24)
        left = Text(self.stage_left or self.pace.left(), style="cyan")
        grid.add_row(Text(self.name, style="bold"), bar, f"step {self.step}/{self.steps}", left)
        return Group(grid, Text(f"  {self.memory}", style="dim", overflow="ellipsis", no_wrap=True))


@dataclass
class Pace:
    """How long shot and film will still take, judged by the steps and the shots done so far."""

    waiting: int = 0  # shots still to be begun
    step: int = 0
    steps: int = 0
    step_seconds: list[float] = field(default_factory=list)
    shot_seconds: list[float] = field(default_factory=list)
    stepped_at: float = 0.0
    loading_seconds: float = 0.0  # within the current shot
    whole: str = "film"

    def __call__(self, event: events.Event) -> None:
        match event:
            case events.RunStarted():
                self.waiting = event.shots - event.kept
            case events.TakesStarted():
                self.waiting, self.whole = event.takes, "all"
            case events.ShotStarted():
                self.waiting -= 1
                self.step, self.steps = 0, event.steps
                self.step_seconds.clear()
            case events.StepDone():
                self.step, self.stepped_at = event.step, time.monotonic()
                self.step_seconds.append(event.seconds)
            case events.ModelLoaded():
                self.loading_seconds += event.seconds
            case events.TakeCommitted():
                self.shot_seconds.append(event.seconds - self.loading_seconds)
                self.loading_seconds = 0.0

    def left(self) -> str:
        """Time left for the current shot and for the film or all takes, in words; nothing until a step tells."""
        if not self.step_seconds:
            return ""
        per_step = sum(self.step_seconds) / len(self.step_seconds)
        shot = max(0.0, per_step * (self.steps - self.step) - (time.monotonic() - self.stepped_at))
        per_shot = sum(self.shot_seconds) / len(self.shot_seconds) if self.shot_seconds else per_step * self.steps
        return f"shot {duration(shot)} left, {self.whole} {duration(shot + per_shot * max(0, self.waiting))}"


def remembers(frames: Sequence[tuple[str, int]]) -> str:
    """Frames in order of relevance as text, by shot: `remembers opening[2,3], city[0]`."""
    by_shot: dict[str, list[str]] = {}
    for shot, frame in frames:
        by_shot.setdefault(shot, []).append(str(frame))
    return "remembers " + (", ".join(f"{shot}[{','.join(of)}]" for shot, of in by_shot.items()) or "nothing")


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
