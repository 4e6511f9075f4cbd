"""A `ShotGenerator` for a story with a `first_shot_model`: each shot goes to its own model. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from onestory_cli.models.catalog import ModelSpec
from onestory_cli.planning.jobs import ShotJob
from onestory_cli.rendering.generator import GeneratedShot, MemorySelection, ShotGenerator, ShotRequest

if TYPE_CHECKING:
    import numpy as np


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
