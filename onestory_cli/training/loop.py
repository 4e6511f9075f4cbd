"""The loop that all stages share: step, average, log, checkpoint, go on."""

from __future__ import annotations

import contextlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from onestory_cli.events import Emit, StageFinished, StageStarted, TrainingProgress
from onestory_cli.training.checkpoint import load_checkpoint, save_checkpoint, save_weights
from onestory_cli.training.objective import Losses, draws, mixed_precision
from onestory_cli.training.optim import MovingAverage, Optimiser, named_weights
from onestory_cli.training.recipe import Recipe, Stage

Objective = Callable[[np.random.Generator, torch.Generator], Losses]


def run_stage(
    recipe: Recipe,
    index: int,
    modules: Mapping[str, nn.Module],
    objective: Objective,
    folder: Path,
    emit: Emit,
    *,
    sample: Callable[[int], None] | None = None,
) -> None:
    """Train one stage to its end, from its checkpoint if it has one.

    Leaves the averaged weights in the modules and in `stages/<name>.safetensors`. `sample(step)` draws a grid from the
    averaged weights.
    """
    stage = recipe.stages[index]
    run = _Run(modules, Optimiser(stage, modules), MovingAverage(modules, stage.ema))
    path = folder / "checkpoints" / f"{stage.name}.pt"
    first = run.restore(path)
    emit(StageStarted(stage=stage.name, step=first, steps=stage.steps, parameters=run.parameters))
    report = _Report(stage, folder / "log.jsonl", emit, recipe.log_every, first)
    for step in range(first, stage.steps):
        with mixed_precision(run.device, recipe.dtype):
            losses = objective(*draws(recipe.seed, index, step))
        run.learn(step, losses["loss"])
        report.add(step, losses)
        done = step + 1
        if done % recipe.checkpoint_every == 0 or done == stage.steps:
            run.save(path, done)
        if sample and stage.sample_every and done % stage.sample_every == 0 and done < stage.steps:
            with run.averaged():
                sample(done)
    run.adopt(run.average.weights)
    save_weights(folder / "stages" / f"{stage.name}.safetensors", run.average.weights)
    if sample:
        sample(stage.steps)
    emit(StageFinished(stage=stage.name, steps=stage.steps, seconds=report.seconds))


@dataclass(frozen=True)
class _Run:
    """What changes while a stage runs: the modules' weights, the optimiser's state, the average."""

    modules: Mapping[str, nn.Module]
    optimiser: Optimiser
    average: MovingAverage

    @property
    def device(self) -> torch.device:
        return self.optimiser.parameters[0].device

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return sum(item.numel() for item in self.optimiser.parameters)

    def learn(self, step: int, loss: Tensor) -> None:
        loss.backward()
        self.optimiser.step(step)
        self.average.update(step)

    def save(self, path: Path, step: int) -> None:
        """A checkpoint of the state after `step` steps."""
        states = {name: module.state_dict() for name, module in self.modules.items()}
        optimiser, average = self.optimiser.state_dict(), self.average.weights
        save_checkpoint(path, {"step": step, "modules": states, "optimiser": optimiser, "average": average})

    def restore(self, path: Path) -> int:
        """The step to go on from: 0, or where the last checkpoint was taken."""
        stored = load_checkpoint(path)
        if stored is None:
            return 0
        for name, module in self.modules.items():
            module.load_state_dict(stored["modules"][name])
        self.optimiser.load_state_dict(stored["optimiser"])
        for name, value in stored["average"].items():
            self.average.weights[name].copy_(value)
        return int(stored["step"])

    @torch.no_grad()
    def adopt(self, weights: Mapping[str, Tensor]) -> None:
        """Put weights into the modules, in place: the optimiser's views stay views."""
        for name, value in named_weights(self.modules):
            value.copy_(weights[name])

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """The modules hold the averaged weights inside, and their own again after."""
        own = {name: value.detach().clone() for name, value in named_weights(self.modules)}
        self.adopt(self.average.weights)
        try:
            yield
        finally:
            self.adopt(own)


class _Report:
    """Running means of the losses, to the log and to whoever listens."""

    def __init__(self, stage: Stage, path: Path, emit: Emit, every: int, first: int) -> None:
        self.stage, self.path, self.emit, self.every = stage, path, emit, every
        self.started = time.monotonic()
        self._values: dict[str, list[float]] = defaultdict(list)
        self._last = (first, self.started)
        _forget(path, stage.name, after=first)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def add(self, step: int, losses: Losses) -> None:
        """Take in the losses of step `step`, counted from 0, and report every so many steps."""
        for name, value in losses.items():
            self._values[name].append(float(value.detach()))
        done = step + 1
        if done % self.every and done != self.stage.steps:
            return
        now = time.monotonic()
        means = {name: round(sum(values) / len(values), 5) for name, values in sorted(self._values.items())}
        pace = (now - self._last[1]) / max(1, done - self._last[0])
        event = TrainingProgress(
            stage=self.stage.name,
            step=done,
            steps=self.stage.steps,
            losses=means,
            samples_per_second=round(self.stage.batch / pace, 1),
            seconds_left=round(pace * (self.stage.steps - done), 1),
        )
        line = {"stage": event.stage, "step": done, "seconds": round(self.seconds, 1), **means}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.emit(event)
        self._values.clear()
        self._last = (done, now)


def _forget(path: Path, stage: str, *, after: int) -> None:
    """Drop what the log says of steps that were lost with an interrupted run and will be done again."""
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
