"""Load a model as a `ShotGenerator` when it is first needed, and emit events about it. No torch at import time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from onestory_cli.events import Emit, ModelLoaded, ModelLoading
from onestory_cli.models.availability import require_loadable, require_ready
from onestory_cli.models.networks import require_downloaded
from onestory_cli.utils.imports import paused_collection
from onestory_cli.utils.workers import use_one_thread

if TYPE_CHECKING:
    import numpy as np

    from onestory_cli.models.catalog import ModelSpec
    from onestory_cli.models.model import LoadedModel, SelectionModel
    from onestory_cli.planning.jobs import Plan, ShotJob
    from onestory_cli.rendering.generator import GeneratedShot, MemorySelection, ShotGenerator, ShotRequest
    from onestory_cli.rendering.model_generator import ModelGenerator

T = TypeVar("T")
SMALL_MODEL = 50_000_000  # parameters of a transformer; the embedded model has 9 million


def generator_loader(plan: Plan, device: str, emit: Emit, *, shared: bool = False) -> Callable[[], ShotGenerator]:
    """A function that loads the generator of a plan: one model, or two if the story has a `first_shot_model`."""

    def load() -> ShotGenerator:
        require_detectors(plan)
        if not any(job.first_shot_model for job in plan.jobs):
            return model_loader(plan.model, device, emit, shared=shared)()
        others = [job.first_shot_model.spec for job in plan.jobs if job.first_shot_model]
        for spec in (plan.model, *others[:1]):  # check both before the first one works
            require_ready(spec)
        return TwoModelGenerator(plan.model, lambda spec: model_loader(spec, device, emit, shared=shared)())

    return load


def require_detectors(plan: Plan) -> None:
    """Refuse a plan whose detectors are not downloaded, before its first shot is generated.

    Raises:
        OnestoryError: M531.
    """
    for name in {job.memory.crop.detector for job in plan.jobs if job.memory.crop}:
        require_downloaded(name)


def model_loader(spec: ModelSpec, device: str, emit: Emit, *, shared: bool = False) -> Callable[[], ShotGenerator]:
    """A function that loads the generator of one model and raises an OnestoryError if its weights are not ready."""

    def load() -> ShotGenerator:
        require_ready(spec)
        return load_generator(spec, device, emit, shared=shared)

    return load


def load_generator(spec: ModelSpec, device: str, emit: Emit, *, shared: bool = False) -> ShotGenerator:
    """The generator of any model: an external one, or one that is loaded here."""
    if spec.external:
        from onestory_cli.rendering.external_generator import ExternalGenerator

        return ExternalGenerator(spec, device)
    return load_model_generator(spec, device, emit, shared=shared)


def load_model_generator(spec: ModelSpec, device: str, emit: Emit, *, shared: bool = False) -> ModelGenerator:
    """The generator of a model. The first `recall` loads the selection model, the first `generate` loads the rest.

    Raises:
        OnestoryError: M558 for an external model.
    """
    require_loadable(spec)
    reporter = LoadReporter(spec, device, emit)
    with paused_collection():
        from onestory_cli.models.load import load_codec, load_model, load_selection_model, pick_device
        from onestory_cli.rendering.model_generator import ModelGenerator

    def load(selection: SelectionModel | None) -> LoadedModel:
        return reporter(lambda: tune_small_model(load_model(spec, device, selection=selection, shared=shared)))

    return ModelGenerator(
        spec,
        lambda: reporter(lambda: load_selection_model(spec, device)),
        load,
        lambda: reporter(lambda: load_codec(spec, pick_device(device))),
    )


def tune_small_model(model: LoadedModel) -> LoadedModel:
    """Let a small model on a CPU compute on one thread, and decode in bfloat16 if the processor computes in it.

    Its matrices are too small to gain from more threads, and the other cores decode and encode at the same time. The
    bytes do not depend on the number of threads. Latents are computed in float32 everywhere, so only pixels depend on
    the processor.
    """
    from onestory_cli.models.load import is_fast_in_bfloat16

    parameters = sum(weight.numel() for weight in model.transformer.parameters())
    if model.device.type == "cpu" and parameters < SMALL_MODEL:
        use_one_thread()
        if is_fast_in_bfloat16(model.device) and not model.spec.needs_pixels:
            model.codec.decode_in_bfloat16()
    return model


def allow_commands(plan: Plan) -> Plan:
    """The plan with permission to run the commands that its model consists of."""
    if plan.model.external is None:
        return plan
    return replace(plan, model=replace(plan.model, external=replace(plan.model.external, allowed=True)))


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


class TwoModelGenerator:
    """Loads the model that a shot needs and unloads the other one: the memory may have room for one only."""

    def __init__(self, spec: ModelSpec, load: Callable[[ModelSpec], ShotGenerator]) -> None:
        self._spec, self._load = spec, load
        self._loaded: tuple[ModelSpec, ShotGenerator] | None = None

    def _of(self, spec: ModelSpec) -> ShotGenerator:
        if self._loaded is None or self._loaded[0] != spec:
            self._loaded = None  # unload it before the next one is loaded
            self._loaded = spec, self._load(spec)
        return self._loaded[1]

    def encode_reference(self, pixels_HWC: np.ndarray) -> np.ndarray:
        """The latents (C, 1, H, W) of a reference image, by the story's own model."""
        return self._of(self._spec).encode_reference(pixels_HWC)

    def encode_clip(self, pixels_PHWC: np.ndarray) -> np.ndarray:
        """The latents (C, T, H, W) of a clip, by the story's own model."""
        return self._of(self._spec).encode_clip(pixels_PHWC)

    def generate(self, request: ShotRequest) -> GeneratedShot:
        """Generate a shot with its own model, and decode it at once: a shot that is not decoded holds its model."""
        first = request.job.first_shot_model
        shot = self._of(first.spec if first else self._spec).generate(request)
        shot.decode()
        return shot

    def recall(self, job: ShotJob, memory: Mapping[str, np.ndarray]) -> MemorySelection:
        """What the shot would select. Only shots of the story's own model have a memory."""
        return self._of(self._spec).recall(job, memory)

    def environment(self) -> Mapping[str, Any]:
        """The environment of the model that generated the last shot."""
        return (self._loaded[1] if self._loaded else self._of(self._spec)).environment()
