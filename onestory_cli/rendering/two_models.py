"""One film of two models: each shot goes to the maker of its own. No torch here.

Shape letters: C latent channels, H W.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from onestory_cli.checkpoint import Checkpoint
from onestory_cli.events import Emit
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.planning.jobs import ShotJob
from onestory_cli.rendering.generator import GeneratedShot, MemorySelection, ShotGenerator

if TYPE_CHECKING:
    import numpy as np


class TwoModelGenerator:
    """Loads the model that a shot needs and lets go of the one before: two do not fit where one just does."""

    def __init__(self, spec: ModelSpec, load: Callable[[ModelSpec], ShotGenerator]) -> None:
        self._spec, self._load = spec, load
        self._loaded: tuple[ModelSpec, ShotGenerator] | None = None

    def _of(self, spec: ModelSpec) -> ShotGenerator:
        if self._loaded is None or self._loaded[0] != spec:
            self._loaded = None  # before the next is loaded
            self._loaded = spec, self._load(spec)
        return self._loaded[1]

    def encode_reference(self, pixels_HWC: np.ndarray) -> np.ndarray:
        """Latents (C, 1, H, W) of a reference image, by the story's own model."""
        return self._of(self._spec).encode_reference(pixels_HWC)

    def make(
        self,
        job: ShotJob,
        memory: Mapping[str, np.ndarray],
        *,
        image: np.ndarray | None,
        emit: Emit,
        checkpoint: Checkpoint,
    ) -> GeneratedShot:
        """Make a shot with its own model, pixels and all: what waits to be decoded would hold on to its model."""
        generator = self._of(job.first_shot_model.spec if job.first_shot_model else self._spec)
        made = generator.make(job, memory, image=image, emit=emit, checkpoint=checkpoint)
        made.decode()
        return made

    def recall(self, job: ShotJob, memory: Mapping[str, np.ndarray]) -> MemorySelection:
        """What the shot would remember; only shots of the story's own model do."""
        return self._of(self._spec).recall(job, memory)

    def environment(self) -> Mapping[str, Any]:
        """Of the model that made the last shot."""
        return (self._loaded[1] if self._loaded else self._of(self._spec)).environment()
