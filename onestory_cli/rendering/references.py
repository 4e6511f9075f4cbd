"""The latents of reference images: loaded from the run, or encoded and saved.

Shape letters: C latent channels, H W.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.planning.jobs import ImageInput, Plan, ShotJob
from onestory_cli.rendering.pictures import reference_image
from onestory_cli.store.references import read_reference, reference_file, save_reference
from onestory_cli.store.writer import RunWriter

if TYPE_CHECKING:
    import numpy as np


class References:
    """The reference images of a plan by source. `encode` computes latents; `wait` is called before they are saved."""

    def __init__(
        self, plan: Plan, writer: RunWriter, *, encode: Callable[[np.ndarray], np.ndarray], wait: Callable[[], None]
    ) -> None:
        self._plan, self._writer, self._encode, self._wait = plan, writer, encode, wait
        self._images = {item.source: item.image for item in plan.references}

    @property
    def digests(self) -> dict[str, str]:
        """The digest of every image's bytes."""
        return {source: image.sha256 for source, image in self._images.items()}

    def latents(self, source: str, job: ShotJob) -> np.ndarray:
        """The latents (C, 1, H, W) of an image at the size of a shot."""
        image = self._images[source]
        path = self._file(image, job)
        latents = read_reference(path)
        if latents is None:
            latents = self._encode(reference_image(job, image, self._writer.run))
            self._wait()
            save_reference(path, latents, self._writer.disk)
        return latents

    def repair(self, damaged: Collection[Path]) -> None:
        """Encode the images again whose saved latents are damaged or missing."""
        for source, image in self._images.items():
            for job in self._plan.jobs:
                path = self._file(image, job)
                if path in damaged and read_reference(path) is None:
                    self.latents(source, job)

    def _file(self, image: ImageInput, job: ShotJob) -> Path:
        return reference_file(
            self._writer.path,
            sha256=image.sha256,
            model=self._plan.model_fingerprint,
            width=job.width,
            height=job.height,
        )
