"""The training loop of an adapter or a student: draw, update, average, report, checkpoint, on any accelerate device."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from onestory_cli.events import Emit, StageFinished, StageStarted
from onestory_cli.generation.denoise import DenoiseConfig
from onestory_cli.training.adapter.base import AdapterModel
from onestory_cli.training.adapter.distil import StudentObjective
from onestory_cli.training.adapter.draws import Batch, BatchDraws, read_ahead
from onestory_cli.training.adapter.fit import Fit, student_schedule
from onestory_cli.training.adapter.learner import Learner, Noise, losses_of
from onestory_cli.training.adapter.recipe import AdapterRecipe
from onestory_cli.training.adapter.samples import sample_rows, save_samples
from onestory_cli.training.adapter.source import clips_of
from onestory_cli.training.adapter.state import TrainingState
from onestory_cli.training.adapter.triples import Shots, split
from onestory_cli.training.log import LoggedStage, TrainingLog
from onestory_cli.training.objective import Losses
from onestory_cli.training.optim import MovingAverage, rate_factor

VALIDATION_BATCHES = 8
# losses of held-out shots -> the end of their names in the log
VALIDATED = {"loss": "", "flow_memory": "_flow", "selection": "_selection", "recall": "_recall"}


class AdapterTrainer:
    """One training of what `wanted` describes; it resumes from the checkpoint in `folder` if there is one."""

    def __init__(
        self,
        recipe: AdapterRecipe,
        model: AdapterModel,
        shots: Shots,
        accelerator: Accelerator,
        folder: Path,
        emit: Emit,
        *,
        wanted: Fit,
    ) -> None:
        self.recipe, self.accelerator, self.emit = recipe, accelerator, emit
        self.stage = "distil" if recipe.distil else "adapter"
        self.shots, self.held_out = split(shots, recipe.data.validation)
        self.folder, self.checkpoints = folder, folder / "checkpoints"
        if recipe.gradient_checkpointing:
            model.transformer.enable_gradient_checkpointing()
        learner = Learner(model)
        self.learner, self.optimiser = accelerator.prepare(learner, adamw(recipe, learner))
        average = MovingAverage(learner.parts, recipe.train.ema)
        identity = {**settings_of(recipe), "shots": identity_of(shots)}
        self.state = TrainingState(self.optimiser.optimizer, average, identity)
        self.objective = objective_of(recipe, shots, wanted)
        self.draws = draws_of(recipe, model, wanted, process=accelerator.process_index)

    def run(self) -> None:
        """Train to the last step, then copy the averaged weights into the model."""
        recipe, steps = self.recipe, self.recipe.train.steps
        first = self.state.restore(self.checkpoints)
        parameters = sum(item.numel() for item in self.state.average.weights.values())
        self.emit(StageStarted(stage=self.stage, step=first, steps=steps, parameters=parameters))
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
        self.emit(StageFinished(stage=self.stage, steps=steps, seconds=report.seconds))

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
        return {
            f"validation{suffix}": float(torch.stack([losses[name].detach() for losses in found]).mean())
            for name, suffix in VALIDATED.items()
            if name in found[0]
        }

    def _losses(self, drawn: Batch) -> Losses:
        batch, choices = drawn
        losses: Losses = self.learner(partial(self.objective, batch=batch, choices=choices))
        return losses

    def _sample_rows(self, model: AdapterModel) -> tuple[NDArray[np.uint8], str]:
        recipe = self.recipe
        if recipe.distil:
            return sample_rows(model, self.shots, student_schedule(recipe.distil, model.spec))
        return sample_rows(model, self.shots, DenoiseConfig.of_model(model.spec, steps=recipe.sample_steps))

    def _report(self, first: int) -> TrainingLog:
        recipe, learning = self.recipe, self.recipe.train
        samples = learning.batch * learning.accumulate * self.accelerator.num_processes
        plan = LoggedStage(name=self.stage, steps=learning.steps, samples=samples, every=recipe.log_every)
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
            picture, captions = self.learner(self._sample_rows)
        if not self.accelerator.is_main_process:
            return
        save_samples(self.folder / "samples" / f"{self.stage}-{done:06}.png", picture, captions)
        for tracker in self.accelerator.trackers:
            order = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
            tracker.log_images({"samples": picture[None]}, step=done, **order)


def objective_of(recipe: AdapterRecipe, shots: Shots, wanted: Fit) -> Callable[..., Losses]:
    """The loss of a batch, as a function of the model, the batch and the random choices for it."""
    if recipe.distil:
        return StudentObjective(distil=recipe.distil, steps=wanted.steps, negative_LE=shots.text(wanted.spec.negative))
    return partial(losses_of, selection_weight=recipe.train.selection_weight)


def draws_of(recipe: AdapterRecipe, model: AdapterModel, wanted: Fit, *, process: int) -> BatchDraws:
    """The draws of a training in one of its processes."""
    learning, spec = recipe.train, model.spec
    levels = Noise(
        mean=learning.noise_mean,
        std=learning.noise_std,
        shift=spec.shift if learning.shift is None else learning.shift,
        least=wanted.least,
        most=wanted.most,
    )
    first_frame = learning.first_frame if spec.first_frame in ("held", "channels") else 0.0
    return BatchDraws(
        recipe=recipe,
        noise=levels,
        first_frame=first_frame if spec.from_text else 1.0,
        process=process,
        student_steps=len(wanted.steps),
        remembers=model.frame_selector is not None,
    )


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
    if not recipe.memory.isolated_context:
        del settings["memory"]["isolated_context"]  # checkpoints of older versions lack it
    return settings


def identity_of(shots: Shots) -> str:
    """Hex digest of the training data: every shot with its sizes and encoders, every caption."""
    keys, source = shots.keys, shots.keys.source
    names = [name for clip in clips_of(source) for name in keys.of(clip)]
    names += [keys.caption(item) for item in keys.captions]
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
