"""The latents of reference pictures: those that the run keeps, or new ones, kept from now on.

Shape letters: C latent channels, H W.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.planning.jobs import ImageInput, Plan, ShotJob
from onestory_cli.rendering.pictures import picture_for
from onestory_cli.store.references import keep_reference, read_reference, reference_file
from onestory_cli.store.run import Run

if TYPE_CHECKING:
    import numpy as np


class References:
    """Pictures of a plan by source. `encode` turns one into latents; before these are kept, `settle` is called."""

    def __init__(
        self, plan: Plan, run: Run, *, encode: Callable[[np.ndarray], np.ndarray], settle: Callable[[], None]
    ) -> None:
        self._plan, self._run, self._encode, self._settle = plan, run, encode, settle
        self._images = {item.source: item.image for item in plan.references}

    @property
    def digests(self) -> dict[str, str]:
        """Of the bytes of every picture."""
        return {source: image.sha256 for source, image in self._images.items()}

    def latents(self, source: str, job: ShotJob) -> np.ndarray:
        """The latents (C, 1, H, W) of a picture at the size of a shot."""
        image = self._images[source]
        path = self._file(image, job)
        latents = read_reference(path)
        if latents is None:
            latents = self._encode(picture_for(job, image, self._run))
            self._settle()
            keep_reference(path, latents, self._run.disk)
        return latents

    def mend(self, damaged: Collection[Path]) -> None:
        """Make the latents again that are damaged or gone."""
        for source, image in self._images.items():
            for job in self._plan.jobs:
                path = self._file(image, job)
                if path in damaged and read_reference(path) is None:
                    self.latents(source, job)

    def _file(self, image: ImageInput, job: ShotJob) -> Path:
        model = self._plan.model_fingerprint
        return reference_file(self._run.path, sha256=image.sha256, model=model, width=job.width, height=job.height)
