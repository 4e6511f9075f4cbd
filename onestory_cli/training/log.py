"""Training progress: running means of the losses, as JSON lines in a log and as events."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.events import Emit, TrainingProgress


@dataclass(frozen=True, kw_only=True)
class LoggedStage:
    """A stage in the log: its steps, the samples per step, and the steps between two reports."""

    name: str
    steps: int
    samples: int
    every: int


class TrainingLog:
    """Running means of the losses, starting at step `first`; without a `path` nothing is written."""

    def __init__(self, plan: LoggedStage, path: Path | None, emit: Emit, first: int) -> None:
        self.plan, self.path, self.emit = plan, path, emit
        self.started = time.monotonic()
        self.means: dict[str, float] = {}  # of the last report
        self._values: dict[str, list[float]] = defaultdict(list)
        self._last = (first, self.started)
        if path is not None:
            _forget(path, plan.name, after=first)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def add(self, step: int, losses: Mapping[str, float]) -> bool:
        """Add the losses of step `step`, counted from 0; return True if this step was reported."""
        for name, value in losses.items():
            self._values[name].append(value)
        done = step + 1
        if done % self.plan.every and done != self.plan.steps:
            return False
        now = time.monotonic()
        self.means = {name: round(sum(values) / len(values), 5) for name, values in sorted(self._values.items())}
        pace = (now - self._last[1]) / max(1, done - self._last[0])
        event = TrainingProgress(
            stage=self.plan.name,
            step=done,
            steps=self.plan.steps,
            losses=self.means,
            samples_per_second=round(self.plan.samples / pace, 1),
            seconds_left=round(pace * (self.plan.steps - done), 1),
        )
        line = {"stage": event.stage, "step": done, "seconds": round(self.seconds, 1), **self.means}
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        self.emit(event)
        self._values.clear()
        self._last = (done, now)
        return True


def _forget(path: Path, stage: str, *, after: int) -> None:
    """Remove the log lines of steps after the last checkpoint, which will be repeated."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not _is_lost(line, stage, after)]
    if kept != lines:
        path.write_text("".join(kept), encoding="utf-8")


def _is_lost(line: str, stage: str, after: int) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:  # the run was killed while it wrote this line
        return True
    return entry["stage"] == stage and entry["step"] > after
