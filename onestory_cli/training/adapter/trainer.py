"""The training loop of an adapter: draw, update, average, report and checkpoint, on any device of accelerate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from onestory_cli.events import Emit, StageFinished, StageStarted
from onestory_cli.training.adapter.base import AdapterModel
from onestory_cli.training.adapter.draws import Batch, BatchDraws, read_ahead
from onestory_cli.training.adapter.learner import Learner, Noise, losses_of
from onestory_cli.training.adapter.recipe import AdapterRecipe
from onestory_cli.training.adapter.samples import sample_rows, save_samples
from onestory_cli.training.adapter.source import captions_of, clips_of
from onestory_cli.training.adapter.state import TrainingState
from onestory_cli.training.adapter.triples import Shots, split
from onestory_cli.training.log import LoggedStage, TrainingLog
from onestory_cli.training.objective import Losses
from onestory_cli.training.optim import MovingAverage, rate_factor

STAGE = "adapter"
VALIDATION_BATCHES = 8


class AdapterTrainer:
    """One training of an adapter; it resumes from the checkpoint in `folder` if there is one.

    `noise` is the range of noise levels to train at.
    """

    def __init__(
        self,
        recipe: AdapterRecipe,
        model: AdapterModel,
        shots: Shots,
        accelerator: Accelerator,
        folder: Path,
        emit: Emit,
        *,
        noise: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        self.recipe, self.accelerator, self.emit = recipe, accelerator, emit
        self.shots, self.held_out = split(shots, recipe.data.validation)
        self.folder, self.checkpoints = folder, folder / "checkpoints"
        if recipe.gradient_checkpointing:
            model.transformer.enable_gradient_checkpointing()
        learner = Learner(model)
        self.learner, self.optimiser = accelerator.prepare(learner, adamw(recipe, learner))
        average = MovingAverage(learner.parts, recipe.train.ema)
        identity = {**settings_of(recipe), "shots": identity_of(shots)}
        self.state = TrainingState(self.optimiser.optimizer, average, identity)
        shift = model.spec.shift if recipe.train.shift is None else recipe.train.shift
        levels = Noise(
            mean=recipe.train.noise_mean, std=recipe.train.noise_std, shift=shift, least=noise[0], most=noise[1]
        )
        first_frame = recipe.train.first_frame if model.spec.first_frame in ("held", "channels") else 0.0
        self.draws = BatchDraws(recipe=recipe, noise=levels, first_frame=first_frame, process=accelerator.process_index)

    def run(self) -> None:
        """Train to the last step, then copy the averaged weights into the model."""
        recipe, steps = self.recipe, self.recipe.train.steps
        first = self.state.restore(self.checkpoints)
        parameters = sum(item.numel() for item in self.state.average.weights.values())
        self.emit(StageStarted(stage=STAGE, step=first, steps=steps, parameters=parameters))
        report = self._report(first)
        numbers = range(first * recipe.train.accumulate, steps * recipe.train.accumulate)
        batches = read_ahead(partial(self.draws.training, self.shots), numbers, recipe.read_ahead)
        for step in range(first, steps):
            losses, done = self._step(step, batches), step + 1
            if self.held_out and (done % recipe.checkpoint_every == 0 or done == steps):
                losses |= self._validate(self.held_out)
            self._log(report, step, losses)
            if done % recipe.checkpoint_every == 0 or done == steps:
                self.state.save(self.checkpoints, done)
            if recipe.sample_every and (done % recipe.sample_every == 0 or done == steps):
                self._sample(done)
        self.state.average.adopt()
        self.emit(StageFinished(stage=STAGE, steps=steps, seconds=report.seconds))

    def _step(self, step: int, batches: Iterator[Batch]) -> dict[str, float]:
        """Do one optimiser step and return the mean losses over all batches and processes."""
        learning = self.recipe.train
        found: list[dict[str, Tensor]] = []
        for _ in range(learning.accumulate):
            with self.accelerator.accumulate(self.learner):
                losses = self._losses(next(batches))
                self.accelerator.backward(losses["loss"])
                if self.accelerator.sync_gradients:
                    complete_gradients(self.learner)
                    self.accelerator.clip_grad_norm_(self.learner.parameters(), learning.clip)
                    set_rates(self.optimiser, rate_factor(learning, step))
                self.optimiser.step()
                self.optimiser.zero_grad()
            found.append({name: value.detach() for name, value in losses.items()})
        self.state.average.update(step)
        means = {name: torch.stack([item[name] for item in found]).mean() for name in found[0]}
        return {name: float(self.accelerator.reduce(value, "mean")) for name, value in means.items()}

    def _validate(self, shots: Shots) -> dict[str, float]:
        """The mean losses of the averaged weights, and the recall of the selector, on held-out videos."""
        with self.state.average.adopted(), torch.no_grad():
            found = [self._losses(self.draws.validation(shots, number)) for number in range(VALIDATION_BATCHES)]
        names = {"loss": "", "flow_memory": "_flow", "selection": "_selection", "recall": "_recall"}
        return {
            f"validation{suffix}": float(torch.stack([losses[name].detach() for losses in found]).mean())
            for name, suffix in names.items()
        }

    def _losses(self, drawn: Batch) -> Losses:
        batch, choices = drawn
        weight = self.recipe.train.selection_weight
        losses: Losses = self.learner(partial(losses_of, batch=batch, choices=choices, selection_weight=weight))
        return losses

    def _report(self, first: int) -> TrainingLog:
        recipe, learning = self.recipe, self.recipe.train
        samples = learning.batch * learning.accumulate * self.accelerator.num_processes
        plan = LoggedStage(name=STAGE, steps=learning.steps, samples=samples, every=recipe.log_every)
        if recipe.track:
            self.accelerator.init_trackers("onestory", config=flat(asdict(recipe)))
        writes = self.accelerator.is_main_process
        self.folder.mkdir(parents=True, exist_ok=True)
        return TrainingLog(plan, self.folder / "log.jsonl" if writes else None, self.emit, first)

    def _log(self, report: TrainingLog, step: int, losses: dict[str, float]) -> None:
        if report.add(step, losses):
            self.accelerator.log(report.means, step=step + 1)

    def _sample(self, done: int) -> None:
        with self.state.average.adopted(), torch.no_grad():
            picture, captions = self.learner(partial(sample_rows, shots=self.shots, steps=self.recipe.sample_steps))
        if not self.accelerator.is_main_process:
            return
        save_samples(self.folder / "samples" / f"{STAGE}-{done:06}.png", picture, captions)
        for tracker in self.accelerator.trackers:
            order = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
            tracker.log_images({"samples": picture[None]}, step=done, **order)


def adamw(recipe: AdapterRecipe, learner: Learner) -> torch.optim.AdamW:
    """AdamW over all trainable weights; the transformer may have its own rate. Each group stores its `rate`."""
    learning = recipe.train
    rates = {"transformer": learning.rate if learning.rate_delta is None else learning.rate_delta}
    groups: list[dict[str, Any]] = []
    for name, part in learner.parts.items():
        parameters = [item for item in part.parameters() if item.requires_grad]
        if parameters:
            groups.append({"params": parameters, "rate": rates.get(name, learning.rate)})
    return torch.optim.AdamW(groups, lr=learning.rate, weight_decay=learning.weight_decay)


def complete_gradients(learner: nn.Module) -> None:
    """Set zero gradients for weights that a step did not use.

    Otherwise the optimiser would have no state for them but a restored optimiser would, and a resumed training would
    diverge.
    """
    for parameter in learner.parameters():
        if parameter.requires_grad and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)


def set_rates(optimiser: Any, factor: float) -> None:
    """Set the learning rate of each group for the next step."""
    for group in optimiser.param_groups:
        group["lr"] = group["rate"] * factor


def settings_of(recipe: AdapterRecipe) -> dict[str, Any]:
    """The settings that must not change when a training resumes; its length and logging may."""
    free = ("name", "cache", "checkpoint_every", "log_every", "sample_every", "sample_steps", "track", "read_ahead")
    settings = {name: value for name, value in asdict(recipe).items() if name not in free}
    settings["train"] = {name: value for name, value in settings["train"].items() if name != "steps"}
    return settings


def identity_of(shots: Shots) -> str:
    """Hex digest of the training data: every shot with its sizes and encoders, every caption."""
    keys, source = shots.keys, shots.keys.source
    names = [name for clip in clips_of(source) for name in keys.of(clip)]
    names += [keys.caption(item) for item in captions_of(source)]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as flat ones named "train.rate", as trackers require."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value if isinstance(value, int | float | str) else json.dumps(value)
    return found
