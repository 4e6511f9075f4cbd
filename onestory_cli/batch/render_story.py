"""Render one film from its run directory. Every kind of worker calls this."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.batch.result import Outcome
from onestory_cli.errors import OnestoryError, from_exception
from onestory_cli.events import Emit, Event, ShotKept, TakeCommitted, ignore
from onestory_cli.models.availability import require_weights
from onestory_cli.rendering.loading import TwoModelGenerator, allow_commands, load_generator
from onestory_cli.rendering.render import CHECKPOINT_SECONDS, RenderOptions, never_stop, render
from onestory_cli.rendering.resume import load_run_plan
from onestory_cli.store.run import Run
from onestory_cli.utils.workers import WorkerShare, own_device, split_threads

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.rendering.generator import ShotGenerator


def render_story(
    directory: Path,
    models: ModelCache,
    emit: Emit = ignore,
    *,
    stop: Callable[[], bool] = never_stop,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    keep_original: bool = False,
) -> Outcome:
    """Render or resume the film whose plan `directory` holds, until it is done, fails or `stop()` is true.

    Errors of a film are returned in the outcome, so that the next film can render.
    """
    counter, began = ShotCounter(emit), time.monotonic()
    try:
        run = Run.open(directory)
        plan = load_run_plan(run)
        load = models.loader(plan, counter)
        options = RenderOptions(stop=stop, checkpoint_seconds=checkpoint_seconds, keep_original=keep_original)
        render(plan, run, load, counter, options)
        outcome = Outcome(state="done")
    except KeyboardInterrupt:
        outcome = Outcome(state="stopped")
    except OnestoryError as fault:
        outcome = Outcome.of(fault)
    except Exception as fault:
        outcome = Outcome.of(from_exception(fault, ["batch", str(directory)]))
    return counter.add_to(outcome, time.monotonic() - began)


@dataclass(frozen=True, kw_only=True)
class WorkerConfig(WorkerShare):
    """Options of a worker, and its share of the machine."""

    checkpoint_seconds: float = CHECKPOINT_SECONDS
    allow_commands: bool = False  # that stories name as their models
    keep_original: bool = False  # what external models deliver


class ModelCache:
    """The loaded model of a worker, kept until a film needs another."""

    def __init__(self, work: WorkerConfig) -> None:
        self._work = work
        self._loaded: tuple[ModelSpec, ShotGenerator] | None = None
        self._emit: Emit = ignore

    def loader(self, plan: Plan, emit: Emit) -> Callable[[], ShotGenerator]:
        """Return a function that loads the models of a plan unless they are loaded."""
        self._emit = emit
        plan = allow_commands(plan) if self._work.allow_commands else plan
        others = any(job.first_shot_model for job in plan.jobs)
        return lambda: TwoModelGenerator(plan.model, self._generator) if others else self._generator(plan.model)

    def _generator(self, spec: ModelSpec) -> ShotGenerator:
        if self._loaded is None or self._loaded[0] != spec:
            self._loaded = None  # free its memory first
            require_weights(spec)
            split_threads(self._work)
            # Parts load lazily, maybe during a later film: `_emit` is then that film's.
            self._loaded = spec, load_generator(spec, own_device(self._work), lambda event: self._emit(event))
        return self._loaded[1]


class ShotCounter:
    """Forward events and count rendered and kept shots."""

    def __init__(self, emit: Emit) -> None:
        self._emit, self._rendered, self._kept = emit, 0, 0

    def __call__(self, event: Event) -> None:
        self._rendered += isinstance(event, TakeCommitted)
        self._kept += isinstance(event, ShotKept)
        self._emit(event)

    def add_to(self, outcome: Outcome, seconds: float) -> Outcome:
        """Return `outcome` with the counts and `seconds`."""
        return replace(outcome, rendered=self._rendered, kept=self._kept, seconds=seconds)
