"""The memory of a film: what its shots can see. Some takes in it may still be on their way to the disk."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.planning.jobs import ImageInput, Plan, ShotJob
from onestory_cli.store.disk import os_errors_coded
from onestory_cli.store.layout import RECORD
from onestory_cli.store.references import read_reference, reference_file, save_reference
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Take, parse_latents
from onestory_cli.store.writer import RunWriter
from onestory_cli.story.pictures import open_upright

if TYPE_CHECKING:
    import numpy as np


class VisibleMemory:
    """The digests, `takes` and latents of all sources. Each source is read or encoded once."""

    def __init__(self, references: References) -> None:
        self._references = references
        self.takes: dict[str, Take] = {}
        self._latents: dict[str, np.ndarray] = {}
        self._generated: dict[Path, np.ndarray] = {}  # latents of the takes of this shot that are not on disk yet

    @property
    def digests(self) -> dict[str, str]:
        """The digest of every known source: reference images and shots."""
        return self._references.digests | {shot: take.digest for shot, take in self.takes.items()}

    def of(self, job: ShotJob) -> dict[str, str]:
        """The digests of everything that a shot can see, in film order."""
        digests = self.digests
        return {source: digests[source] for source in job.memory.sources}

    def latents(self, job: ShotJob) -> dict[str, np.ndarray]:
        """The latents of everything that a shot can see, in film order."""
        for source in job.memory.sources:
            if source not in self._latents or self._can_release(source):
                take = self.takes.get(source)
                self._latents[source] = take.latents() if take else self._references.latents(source, job)
        return {source: self._latents[source] for source in job.memory.sources}

    def _can_release(self, source: str) -> bool:
        """Whether the pictures of a take are held in memory although they can be read from the disk."""
        pictures, take = self._latents[source], self.takes.get(source)
        held = pictures.dtype == "uint8" and not hasattr(pictures, "filename")  # numpy's memory maps have one
        return held and take is not None and (take.folder / RECORD).exists()

    def add(self, take: Take, latents: bytes) -> None:
        """Add a take that was just generated, with the future content of its latents file."""
        self._generated[take.folder] = parse_latents(latents)

    def accept(self, shot: str, take: Take) -> None:
        """Let later shots see a shot as this take."""
        self.takes[shot] = take
        if take.folder in self._generated:
            self._latents[shot] = self._generated[take.folder]
        self._generated.clear()


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


WHITE = (255, 255, 255)


def first_frame(job: ShotJob, image: ImageInput, run: Run) -> np.ndarray:
    """The run's copy of a first frame, (H, W, 3) uint8: scaled to cover the shot's size, then cropped evenly."""
    return read_cropped(run.input(image), width=job.width, height=job.height)


def reference_image(job: ShotJob, image: ImageInput, run: Run) -> np.ndarray:
    """The run's copy of a reference image, (H, W, 3) uint8: whole, in the middle of white.

    A crop would cut off the head of a portrait in a wide shot. Wan's VACE fits references the same way: Wan2.1
    wan/vace.py, prepare_source.
    """
    return read_whole(run.input(image), width=job.width, height=job.height)


def read_cropped(path: Path, *, width: int, height: int) -> np.ndarray:
    """An image as (H, W, 3) uint8: scaled to cover this size, then cropped evenly."""
    import numpy as np
    from PIL import Image, ImageOps

    with os_errors_coded(path):
        return np.asarray(ImageOps.fit(open_upright(path), (width, height), Image.Resampling.LANCZOS))


def read_whole(path: Path, *, width: int, height: int) -> np.ndarray:
    """An image as (H, W, 3) uint8: scaled to fit into this size, in the middle of white."""
    import numpy as np
    from PIL import Image, ImageOps

    with os_errors_coded(path):
        picture = ImageOps.pad(open_upright(path), (width, height), Image.Resampling.LANCZOS, color=WHITE)
    return np.asarray(picture)
