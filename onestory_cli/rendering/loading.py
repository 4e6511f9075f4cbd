"""A model as a Maker that loads when it is needed, and says so. Importing this module imports no torch."""

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
    """What loads the models of a plan: one, or two where the first shot is another's."""
    if not any(job.first_shot_model for job in plan.jobs):
        return model_loader(plan.model, device, emit, shared=shared)

    def load() -> ShotGenerator:
        from onestory_cli.rendering.two_models import TwoModelGenerator

        others = [job.first_shot_model.spec for job in plan.jobs if job.first_shot_model]
        for spec in (plan.model, *others[:1]):  # both, before the first one has worked
            require_ready(spec)
        return TwoModelGenerator(plan.model, lambda spec: model_loader(spec, device, emit, shared=shared)())

    return load


def model_loader(spec: ModelSpec, device: str, emit: Emit, *, shared: bool = False) -> Callable[[], ShotGenerator]:
    """What loads the reader of a model once a shot must really be looked at, and the rest once one must be made."""

    def load() -> ShotGenerator:
        require_ready(spec)
        return load_generator(spec, device, emit, shared=shared)

    return load


def load_generator(spec: ModelSpec, device: str, emit: Emit, *, shared: bool = False) -> ShotGenerator:
    """The maker of a model: its reader is loaded once a shot must be looked at, the rest once one must be made."""
    loading = Loading(spec, device, emit)
    from onestory_cli.models.load import load_model, load_selection_model
    from onestory_cli.rendering.model_generator import ModelGenerator

    return ModelGenerator(
        spec,
        lambda: loading(lambda: load_selection_model(spec, device)),
        lambda selection: loading(lambda: load_model(spec, device, selection=selection, shared=shared)),
    )


class Loading:
    """Says that a model is being loaded, libraries and all, and how long the first part took; then so of each other."""

    def __init__(self, spec: ModelSpec, device: str, emit: Emit) -> None:
        self._spec, self._device, self._emit = spec, device, emit
        self._began: float | None = self._begin()

    def __call__(self, part: Callable[[], T]) -> T:
        began = self._begin() if self._began is None else self._began
        loaded = part()
        self._began = None
        self._emit(ModelLoaded(model=self._spec.name, seconds=time.monotonic() - began))
        return loaded

    def _begin(self) -> float:
        self._emit(ModelLoading(model=self._spec.name, device=self._device))
        return time.monotonic()
