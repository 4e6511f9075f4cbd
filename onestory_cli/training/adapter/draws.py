"""The batches of a training. Each depends only on seed, number and process, so a resumed training repeats them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from onestory_cli.training.adapter.learner import Choices, Noise, StepShape, draw_choices, draw_shape
from onestory_cli.training.adapter.recipe import AdapterRecipe
from onestory_cli.training.adapter.triples import Shots, Triples
from onestory_cli.training.objective import step_generators
from onestory_cli.training.pool import map_ahead

Batch = tuple[Triples, Choices]
T = TypeVar("T")

# random streams: process k draws its batches from stream k + 1
STEPS = 0  # choices for a whole optimiser step, the same in all processes
VALIDATION = 1_000_000  # the same batches at every step and in all processes
SHAPES = 1_000_001  # shapes of batches, the same in all processes
STUDENT_STEPS = 1_000_002  # steps of a student's schedule, the same in all processes


@dataclass(frozen=True, kw_only=True)
class BatchDraws:
    """Draws batches for process `process`. `first_frame` is the share of targets with a given first frame.

    `student_steps` is the length of a student's schedule, 0 in the training of an adapter. `remembers` is false for a
    base without memory adapter.
    """

    recipe: AdapterRecipe
    noise: Noise
    first_frame: float
    process: int
    student_steps: int = 0
    remembers: bool = True

    def training(self, shots: Shots, number: int) -> Batch:
        """Batch `number`, counted over all optimiser steps."""
        learning, step = self.recipe.train, number // self.recipe.train.accumulate
        warming = step < learning.uniform_steps
        shape = self._shape(shots, SHAPES, number, warming=warming, alone=self._alone(step))
        shape = replace(shape, student_step=self._student_step(step))
        return self._draw(shots, shape, self.process + 1, number, warming=warming)

    def validation(self, shots: Shots, number: int) -> Batch:
        """Batch `number` of held-out shots: with memory, and with the frames that the selector chooses."""
        shape = self._shape(shots, VALIDATION, number, warming=False, alone=not self.remembers)
        shape = replace(shape, student_step=number % max(1, self.student_steps))
        return self._draw(shots, shape, VALIDATION, number, warming=False)

    def _alone(self, step: int) -> bool:
        """Whether a step has no memory: all of its batches or none, because their losses have different names."""
        rng, _ = step_generators(self.recipe.seed, STEPS, step)
        share = self.recipe.train.alone if self.remembers else 1.0
        return self.recipe.delta != "none" and rng.random() < share

    def _student_step(self, step: int) -> int:
        """The step of a student's schedule for an optimiser step, because each has a loss with its own name."""
        rng, _ = step_generators(self.recipe.seed, STUDENT_STEPS, step)
        return int(rng.integers(max(1, self.student_steps)))

    def _shape(self, shots: Shots, stream: int, number: int, *, warming: bool, alone: bool) -> StepShape:
        rng, _ = step_generators(self.recipe.seed, stream, number)
        length, frames = shots.draw_length(rng), shots.shot_frames
        return draw_shape(rng, self.recipe.memory, warming=warming, shot_frames=frames, alone=alone, length=length)

    def _draw(self, shots: Shots, shape: StepShape, stream: int, number: int, *, warming: bool) -> Batch:
        learning, memory = self.recipe.train, self.recipe.memory
        rng, chance = step_generators(self.recipe.seed, stream, number)
        batch = shots.draw(
            rng,
            size=learning.batch,
            length=shape.length,
            inflation=1.0 if warming else learning.inflation,
            drop_text=learning.drop_text if shape.alone and not self.student_steps else 0.0,
            given=rng.random() < self.first_frame,
            negatives=memory.negatives > 0,
        )
        return batch, draw_choices(batch, shape, memory=memory, noise=self.noise, warming=warming, chance=chance)


def read_ahead(draw: Callable[[int], T], numbers: Iterable[int], count: int) -> Iterator[T]:
    """Yield `draw(number)` in order; a thread draws up to `count` items ahead, none for 0."""
    if not count:
        yield from map(draw, numbers)
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as pool:
        yield from map_ahead(pool, draw, numbers, count)
