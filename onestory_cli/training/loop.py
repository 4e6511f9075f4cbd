"""The loop that all stages share: step, average, log, checkpoint, go on."""

from __future__ import annotations

import contextlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from onestory_cli.events import Emit, StageFinished, StageStarted, TrainingProgress
from onestory_cli.training.checkpoint import load_checkpoint, save_checkpoint, save_weights
from onestory_cli.training.objective import Losses, draws
from onestory_cli.training.optim import MovingAverage, Optimiser
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
    """Train one stage to its end, from its checkpoint if it has one, and leave the averaged weights in the modules and
    in `stages/<name>.safetensors`. `sample(step)` draws a grid from the averaged weights."""
    stage = recipe.stages[index]
    device = next(iter(modules.values())).parameters().__next__().device
    optimiser, average = Optimiser(stage, modules), MovingAverage(modules, stage.ema)
    path = folder / "checkpoints" / f"{stage.name}.pt"
    first = _restore(path, modules, optimiser, average)
    emit(StageStarted(stage=stage.name, step=first, steps=stage.steps, parameters=sum(map(torch.numel, optimiser.parameters))))
    report = _Report(stage, folder / "log.jsonl", emit, recipe.log_every, first)
    for step in range(first, stage.steps):
        with _autocast(recipe, device):
            losses = objective(*draws(recipe.seed, index, step))
        losses["loss"].backward()
        optimiser.step(step)
        average.update(step)
        report.add(step, losses)
        done = step + 1
        if done % recipe.checkpoint_every == 0 or done == stage.steps:
            save_checkpoint(path, {"step": done, "modules": _state(modules), "optimiser": optimiser.state_dict(), "average": average.weights})
        if sample and stage.sample_every and done % stage.sample_every == 0 and done < stage.steps:
            with averaged(modules, average):
                sample(done)
    _adopt(modules, average.weights)
    save_weights(folder / "stages" / f"{stage.name}.safetensors", average.weights)
    if sample:
        sample(stage.steps)
    emit(StageFinished(stage=stage.name, steps=stage.steps, seconds=report.seconds))


class _Report:
    """Running means of the losses, to the log and to whoever listens."""

    def __init__(self, stage: Stage, path: Path, emit: Emit, every: int, first: int) -> None:
        self.stage, self.path, self.emit, self.every = stage, path, emit, every
        self.first, self.started = first, time.monotonic()
        self._values: dict[str, list[float]] = defaultdict(list)
        self._last = (first, self.started)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def add(self, step: int, losses: Losses) -> None:
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
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"stage": event.stage, "step": done, "seconds": round(self.seconds, 1), **means}) + "\n")
        self.emit(event)
        self._values.clear()
        self._last = (done, now)


def _autocast(recipe: Recipe, device: torch.device) -> contextlib.AbstractContextManager[object]:
    dtype = getattr(torch, recipe.dtype)
    return torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)


def _state(modules: Mapping[str, nn.Module]) -> dict[str, dict[str, Tensor]]:
    return {name: module.state_dict() for name, module in modules.items()}


def _restore(path: Path, modules: Mapping[str, nn.Module], optimiser: Optimiser, average: MovingAverage) -> int:
    """The step to go on from: 0, or where the last checkpoint was taken."""
    stored = load_checkpoint(path)
    if stored is None:
        return 0
    for name, module in modules.items():
        module.load_state_dict(stored["modules"][name])
    optimiser.load_state_dict(stored["optimiser"])
    for name, value in stored["average"].items():
        average.weights[name].copy_(value)
    return int(stored["step"])


@torch.no_grad()
def _adopt(modules: Mapping[str, nn.Module], weights: Mapping[str, Tensor]) -> None:
    for part, module in modules.items():
        for name, value in module.named_parameters():
            value.copy_(weights[f"{part}.{name}"])


@contextlib.contextmanager
def averaged(modules: Mapping[str, nn.Module], average: MovingAverage):  # noqa: ANN201
    """The modules hold the averaged weights inside, and their own again after."""
    own = {f"{part}.{name}": value.detach().clone() for part, module in modules.items() for name, value in module.named_parameters()}
    _adopt(modules, average.weights)
    try:
        yield
    finally:
        _adopt(modules, own)
