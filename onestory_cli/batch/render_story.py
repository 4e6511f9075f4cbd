"""`render_story`: one film from nothing but its directory. Every worker of every kind does just this."""

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
from onestory_cli.rendering.loading import load_generator
from onestory_cli.rendering.options import CHECKPOINT_SECONDS, RenderOptions, never_stop
from onestory_cli.rendering.render import render
from onestory_cli.rendering.resume import load_run_plan
from onestory_cli.rendering.two_models import TwoModelGenerator
from onestory_cli.store.run import Run
from onestory_cli.utils.workers import WorkerShare, own_device, split_threads

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.rendering.generator import ShotGenerator


def render_story(
    directory: Path,
    models: Models,
    emit: Emit = ignore,
    *,
    stop: Callable[[], bool] = never_stop,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Outcome:
    """Go on with the film whose plan was frozen in `directory`, until it is done, refused or asked to stop.

    Nothing is raised for what goes wrong with one film: it is in the outcome, and the next film can be made.
    """
    counted, began = Counted(emit), time.monotonic()
    try:
        run = Run.open(directory)
        plan = load_run_plan(run)
        load = models.loader(plan, counted)
        render(plan, run, load, counted, RenderOptions(stop=stop, checkpoint_seconds=checkpoint_seconds))
        outcome = Outcome(state="done")
    except KeyboardInterrupt:
        outcome = Outcome(state="stopped")
    except OnestoryError as fault:
        outcome = Outcome.of(fault)
    except Exception as fault:
        outcome = Outcome.of(from_exception(fault, ["batch", str(directory)]))
    return counted.into(outcome, time.monotonic() - began)


@dataclass(frozen=True, kw_only=True)
class Work(WorkerShare):
    """How a worker works, and what it has of its machine."""

    checkpoint_seconds: float = CHECKPOINT_SECONDS


class Models:
    """The model of one worker. It stays in memory from film to film, until a film needs another."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._loaded: tuple[ModelSpec, ShotGenerator] | None = None
        self._emit: Emit = ignore

    def loader(self, plan: Plan, emit: Emit) -> Callable[[], ShotGenerator]:
        """What loads the models of a plan, as far as they are not here; `emit` hears of it."""
        self._emit = emit
        others = any(job.first_shot_model for job in plan.jobs)
        return lambda: TwoModelGenerator(plan.model, self._maker) if others else self._maker(plan.model)

    def _maker(self, spec: ModelSpec) -> ShotGenerator:
        if self._loaded is None or self._loaded[0] != spec:
            self._loaded = None  # before the next one takes memory
            require_weights(spec)
            split_threads(self._work)
            # A part may be loaded films later: it is told then, to whoever listens by then.
            self._loaded = spec, load_generator(spec, own_device(self._work), lambda event: self._emit(event))
        return self._loaded[1]


class Counted:
    """Passes events on and counts the shots that were made and kept."""

    def __init__(self, emit: Emit) -> None:
        self._emit, self._rendered, self._kept = emit, 0, 0

    def __call__(self, event: Event) -> None:
        self._rendered += isinstance(event, TakeCommitted)
        self._kept += isinstance(event, ShotKept)
        self._emit(event)

    def into(self, outcome: Outcome, seconds: float) -> Outcome:
        """The outcome with the counts in it."""
        return replace(outcome, rendered=self._rendered, kept=self._kept, seconds=seconds)
