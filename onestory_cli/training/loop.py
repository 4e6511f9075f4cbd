"""The training loop of all stages: step, average, log, checkpoint, resume."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from onestory_cli.events import Emit, StageFinished, StageStarted, Warned
from onestory_cli.models.load import is_fast_in_bfloat16
from onestory_cli.training.checkpoint import load_checkpoint, save_checkpoint, save_weights
from onestory_cli.training.log import LoggedStage, TrainingLog
from onestory_cli.training.objective import Losses, mixed_precision, step_generators
from onestory_cli.training.optim import MovingAverage, Optimiser
from onestory_cli.training.recipe import Recipe

# The losses of one step; an objective that makes several updates per step yields the losses of each
Objective = Callable[[np.random.Generator, torch.Generator], Losses | Iterator[Losses]]


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
    """Train one stage to its end, resuming from its checkpoint if there is one.

    The averaged weights end up in the modules and in `stages/<name>.safetensors`. `sample(step)` writes a grid of
    samples from the averaged weights.
    """
    stage = recipe.stages[index]
    run = _TrainingRun(modules, Optimiser(stage, modules), MovingAverage(modules, stage.ema))
    path = folder / "checkpoints" / f"{stage.name}.pt"
    first = run.restore(path)
    emit(StageStarted(stage=stage.name, step=first, steps=stage.steps, parameters=run.parameters))
    if recipe.dtype == "bfloat16" and not is_fast_in_bfloat16(run.device):
        lacks = f"stage {stage.name}: this processor does not support bfloat16; training in float32"
        emit(Warned(code="W331", message=lacks))
    plan = LoggedStage(name=stage.name, steps=stage.steps, samples=stage.batch, every=recipe.log_every)
    report = TrainingLog(plan, folder / "log.jsonl", emit, first)
    for step in range(first, stage.steps):
        with mixed_precision(run.device, recipe.dtype):
            losses = objective(*step_generators(recipe.seed, index, step))
        report.add(step, run.learn(step, [losses] if isinstance(losses, dict) else losses))
        done = step + 1
        if done % recipe.checkpoint_every == 0 or done == stage.steps:
            run.save(path, done)
        if sample and stage.sample_every and done % stage.sample_every == 0 and done < stage.steps:
            with run.average.adopted():
                sample(done)
    run.average.adopt()
    save_weights(folder / "stages" / f"{stage.name}.safetensors", run.average.weights)
    if sample:
        sample(stage.steps)
    emit(StageFinished(stage=stage.name, steps=stage.steps, seconds=report.seconds))


@dataclass(frozen=True)
class _TrainingRun:
    """The mutable state of a stage: weights, optimiser state and moving average."""

    modules: Mapping[str, nn.Module]
    optimiser: Optimiser
    average: MovingAverage

    @property
    def device(self) -> torch.device:
        return self.optimiser.parameters[0].device

    @property
    def parameters(self) -> int:
        """The number of trainable parameters."""
        return sum(item.numel() for item in self.optimiser.parameters)

    def learn(self, step: int, updates: Iterable[Losses]) -> dict[str, float]:
        """Make one update of the weights per entry of `updates`; return the mean losses by name."""
        found: dict[str, list[float]] = defaultdict(list)
        for losses in updates:
            losses["loss"].backward()
            self.optimiser.step(step)
            self.average.update(step)
            for name, value in losses.items():
                found[name].append(float(value.detach()))
        return {name: sum(values) / len(values) for name, values in found.items()}

    def save(self, path: Path, step: int) -> None:
        """Write a checkpoint of the state after `step` steps."""
        states = {name: module.state_dict() for name, module in self.modules.items()}
        optimiser, average = self.optimiser.state_dict(), self.average.weights
        save_checkpoint(path, {"step": step, "modules": states, "optimiser": optimiser, "average": average})

    def restore(self, path: Path) -> int:
        """Load the last checkpoint if there is one and return the step to resume from."""
        stored = load_checkpoint(path)
        if stored is None:
            return 0
        for name, module in self.modules.items():
            module.load_state_dict(stored["modules"][name])
        self.optimiser.load_state_dict(stored["optimiser"])
        for name, value in stored["average"].items():
            self.average.weights[name].copy_(value)
        return int(stored["step"])
