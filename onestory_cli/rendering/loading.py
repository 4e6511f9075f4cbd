"""Load a model as a `ShotGenerator` when it is first needed, and emit events about it. No torch at import time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from onestory_cli.events import Emit, ModelLoaded, ModelLoading
from onestory_cli.models.readiness import require_ready

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.rendering.generator import ShotGenerator

T = TypeVar("T")


def generator_loader(plan: Plan, device: str, emit: Emit, *, shared: bool = False) -> Callable[[], ShotGenerator]:
    """A function that loads the generator of a plan: one model, or two if the story has a `first_shot_model`."""
    if not any(job.first_shot_model for job in plan.jobs):
        return model_loader(plan.model, device, emit, shared=shared)

    def load() -> ShotGenerator:
        from onestory_cli.rendering.two_models import TwoModelGenerator

        others = [job.first_shot_model.spec for job in plan.jobs if job.first_shot_model]
        for spec in (plan.model, *others[:1]):  # check both before the first one works
            require_ready(spec)
        return TwoModelGenerator(plan.model, lambda spec: model_loader(spec, device, emit, shared=shared)())

    return load


def model_loader(spec: ModelSpec, device: str, emit: Emit, *, shared: bool = False) -> Callable[[], ShotGenerator]:
    """A function that loads the generator of one model and raises an OnestoryError if its weights are not ready."""

    def load() -> ShotGenerator:
        require_ready(spec)
        return load_generator(spec, device, emit, shared=shared)

    return load


def load_generator(spec: ModelSpec, device: str, emit: Emit, *, shared: bool = False) -> ShotGenerator:
    """The generator of a model. The first `recall` loads the selection model, the first `generate` loads the rest."""
    reporter = LoadReporter(spec, device, emit)
    from onestory_cli.models.load import load_model, load_selection_model
    from onestory_cli.rendering.model_generator import ModelGenerator

    return ModelGenerator(
        spec,
        lambda: reporter(lambda: load_selection_model(spec, device)),
        lambda selection: reporter(lambda: load_model(spec, device, selection=selection, shared=shared)),
    )


class LoadReporter:
    """Emits ModelLoading and ModelLoaded around each part that is loaded.

    The first part includes the time to import the libraries: it begins when the reporter is created.
    """

    def __init__(self, spec: ModelSpec, device: str, emit: Emit) -> None:
        self._spec, self._device, self._emit = spec, device, emit
        self._began: float | None = self._begin()

    def __call__(self, load: Callable[[], T]) -> T:
        began = self._begin() if self._began is None else self._began
        loaded = load()
        self._began = None
        self._emit(ModelLoaded(model=self._spec.name, seconds=time.monotonic() - began))
        return loaded

    def _begin(self) -> float:
        self._emit(ModelLoading(model=self._spec.name, device=self._device))
        return time.monotonic()
