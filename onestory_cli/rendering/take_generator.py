"""Generate takes: what their shots can see, the model that is loaded when it is first needed, and checkpoints.

Some takes in the memory may still be on their way to the disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli import events
from onestory_cli.checkpoint import Partial
from onestory_cli.events import Emit, PartialKept
from onestory_cli.planning.jobs import ImageInput, Plan, Reason, ShotJob
from onestory_cli.rendering.commit import Committer, record_of
from onestory_cli.rendering.generator import ShotGenerator, ShotRequest, memory_state
from onestory_cli.store.disk import os_errors_coded
from onestory_cli.store.latents import can_map, parse_latents, unload
from onestory_cli.store.layout import RECORD
from onestory_cli.store.partials import KeptPartial
from onestory_cli.store.record import MemoryState
from onestory_cli.store.references import read_reference, reference_file, save_reference
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Take
from onestory_cli.store.writer import RunWriter
from onestory_cli.story.pictures import open_upright

if TYPE_CHECKING:
    import numpy as np

    from onestory_cli.rendering.render import RenderOptions

SECONDS_BEFORE_DECODING = 10.0  # decoding may take as long as the steps, so a shorter interval applies before it


class TakeCheckpoint:
    """Saves the unfinished work on one take, and stops it once `options.stop()` is true."""

    enabled = True

    def __init__(self, writer: RunWriter, shot: str, key: str, *, emit: Emit, options: RenderOptions) -> None:
        self._writer, self._shot, self._key = writer, shot, key
        self._emit, self._options = emit, options
        self._saved = time.monotonic()

    def load(self, identity: str) -> Partial | None:
        """The partial that an earlier process saved of the same work."""
        partial = self._writer.run.partial(self._shot, self._key)
        return partial if partial and partial.identity == identity else None

    def due(self, *, last: bool = False) -> bool:
        """Whether to save a partial now. After the last step the interval is shorter."""
        seconds = self._options.checkpoint_seconds
        interval = min(seconds, SECONDS_BEFORE_DECODING) if last else seconds
        return self._options.stop() or time.monotonic() - self._saved >= interval

    def keep(self, partial: Partial) -> None:
        """Save a partial in place of the previous one.

        Raises:
            KeyboardInterrupt: it is saved, and the render is to stop.
        """
        self._writer.save_partial(self._shot, self._key, partial)
        self._saved = time.monotonic()
        self._emit(PartialKept(shot=self._shot, step=partial.step, steps=partial.steps))
        if self._options.stop():
            raise KeyboardInterrupt


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
        """The latents of everything that a shot can see, in film order.

        Large latents of takes that are on disk are memory maps; only the pages that this shot uses take memory.
        """
        for latents in self._latents.values():
            unload(latents)
        for source in [source for source in self._latents if self._can_release(source)]:
            del self._latents[source]
        for source in job.memory.sources:
            if source not in self._latents:
                take = self.takes.get(source)
                self._latents[source] = take.latents() if take else self._references.latents(source, job)
        return {source: self._latents[source] for source in job.memory.sources}

    def _can_release(self, source: str) -> bool:
        """Whether large latents of a take are held in memory although they can be read from the disk."""
        take = self.takes.get(source)
        return can_map(self._latents[source]) and take is not None and (take.folder / RECORD).exists()

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


class TakeGenerator:
    """Generates takes from what their shots can see: `memory`, which it fills with reference images on demand."""

    def __init__(
        self,
        plan: Plan,
        writer: RunWriter,
        load: Callable[[], ShotGenerator],
        committer: Committer,
        options: RenderOptions,
    ) -> None:
        self._plan, self._writer, self._load, self._options = plan, writer, load, options
        self._committer = committer
        self.references = References(plan, writer, encode=self._encode, wait=committer.wait)
        self.memory = VisibleMemory(self.references)

    def recall(self, job: ShotJob) -> MemoryState:
        """The memory state that a new take of the job would have."""
        selection = self._model.recall(job, self.memory.latents(job))
        return memory_state(job, selection, self.memory.of(job), noise_tokens=job.tokens.noise)

    def generate(self, job: ShotJob, key: str, reason: Reason, partial: KeptPartial | None) -> Take:
        """Generate the take with this key, resuming `partial`, and commit it in the background.

        Raises:
            KeyboardInterrupt: the render was asked to stop.
        """
        if self._options.stop():
            raise KeyboardInterrupt
        began = time.monotonic()
        self._committer.emit(
            events.ShotStarted(
                shot=job.shot,
                index=job.index,
                shots=len(self._plan.jobs),
                reason=str(reason),
                steps=job.steps,
                goes_on=str(partial or ""),
            )
        )
        keep = self._options.keep_original and self._plan.model.external
        originals = self._writer.new_folder() if keep else None
        try:
            shot = self._model.generate(self._request(job, key, originals))
        except BaseException:
            if originals:
                self._writer.disk.remove(originals)
            raise
        environment = self._model.environment()
        record = record_of(self._plan, job, reason, shot, visible=self.memory.of(job), environment=environment)
        return self._committer.commit(job, record, shot, self.memory, began=began, originals=originals)

    def _request(self, job: ShotJob, key: str, originals: Path | None) -> ShotRequest:
        emit = self._committer.emit
        return ShotRequest(
            job=job,
            memory=self.memory.latents(job),
            image=first_frame(job, job.image, self._writer.run) if job.image else None,
            emit=emit,
            checkpoint=TakeCheckpoint(self._writer, job.shot, key, emit=emit, options=self._options),
            preview=self._options.preview,
            originals=originals,
            before_decoding=self._committer.wait,  # so that the pixels of one shot are in memory, not of two
        )

    @cached_property
    def _model(self) -> ShotGenerator:
        from onestory_cli.media.video import require_encoder

        require_encoder()
        return self._load()

    def _encode(self, pixels_HWC: np.ndarray) -> np.ndarray:
        return self._model.encode_reference(pixels_HWC)
