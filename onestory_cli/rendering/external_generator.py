"""A `ShotGenerator` of an external model. Its latents are pictures, one of every `temporal_stride` frames.

Shape letters: T pictures, P pixel frames, H W pixels.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onestory_cli.checkpoint import Partial
from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.events import NodeStep, Remembered, StepDone
from onestory_cli.external.comfyui import ComfyUiRunner
from onestory_cli.external.command import CommandRunner
from onestory_cli.external.job import RunControl, Runner, decode_picture, external_job
from onestory_cli.external.recall import PictureRecall, PictureSelection, pictures_of
from onestory_cli.external.result import Frame, keep_result, read_result, to_pixels
from onestory_cli.models.spec import ExternalModel, ModelSpec
from onestory_cli.models.workflow import read_workflow
from onestory_cli.planning.jobs import ShotJob
from onestory_cli.rendering.generator import ShotRequest
from onestory_cli.utils.system import return_large_blocks

if TYPE_CHECKING:
    import numpy as np

    from onestory_cli.models.character_crops import CharacterCropper

PREVIEW_SECONDS = 0.2  # between two previews of a shot


class ExternalGenerator:
    """Generates shots with a workflow on a server, or with a command."""

    def __init__(self, spec: ModelSpec, device: str) -> None:
        return_large_blocks()
        self._spec = spec
        self._recall = PictureRecall(spec, device)

    @cached_property
    def _runner(self) -> Runner:
        assert self._spec.external is not None
        return _runner(self._spec.external)

    @cached_property
    def _cropper(self) -> CharacterCropper:
        from onestory_cli.models.character_crops import CharacterCropper

        return CharacterCropper()

    def encode_reference(self, pixels_HWC: np.ndarray) -> np.ndarray:
        """A reference image as pictures (3, 1, H, W)."""
        return pixels_HWC.transpose(2, 0, 1)[:, None]

    def encode_clip(self, pixels_PHWC: np.ndarray) -> np.ndarray:
        """The pictures (3, T, H, W) that later shots can remember of a clip."""
        return pixels_PHWC[:: self._spec.temporal_stride].transpose(3, 0, 1, 2)

    def recall(self, job: ShotJob, memory: Mapping[str, np.ndarray]) -> PictureSelection:
        """What `generate` would select."""
        return self._recall.recall(job, memory)

    def generate(self, request: ShotRequest) -> ExternalShot:
        """Generate a shot: select pictures, run the model, read and check its result."""
        job, began = request.job, time.monotonic()
        selected = self.recall(job, request.memory)
        frames = tuple((frame.source, frame.index) for frame in selected.selection)
        visible = sum(map(len, selected.scores.values()))
        request.emit(Remembered(shot=job.shot, frames=frames, tokens=0, visible=visible))
        pictures = self._pictures(request, selected)
        external = external_job(job, image=request.image, pictures=pictures, remembers=self._spec.remembers)
        remembered = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="onestory-") as folder, _failure_forgotten(request):
            files = self._runner.run(external, Path(folder), _control(request))
            generated = time.monotonic()
            request.before_decoding()
            result = read_result(files, job, self._spec.name)
            if request.originals:
                keep_result(files, request.originals)
        return ExternalShot(
            frames=result,
            latents_CTHW=_remembered_pictures(result, self._spec.temporal_stride),
            selected=selected,
            noise_tokens=job.tokens.noise,
            seconds={
                "remember": remembered - began,
                "denoise": generated - remembered,
                "decode": time.monotonic() - generated,
            },
        )

    def environment(self) -> Mapping[str, Any]:
        """What is known of the model's program."""
        return self._runner.environment()

    def _pictures(self, request: ShotRequest, selected: PictureSelection) -> list[np.ndarray]:
        """The remembered pictures, cropped to the characters if the shot asks for that."""
        pictures = pictures_of(request.memory, selected.selection)
        crop = request.job.memory.crop
        if crop is None:
            return pictures
        return self._cropper.crop(pictures, selected.selection, detector=crop.detector, looks=crop.looks)


class ExternalShot:
    """A generated shot. Its pixels are converted by the first `decode`, because the next shot does not need them."""

    context_tokens = 0

    def __init__(
        self,
        *,
        frames: list[Frame],
        latents_CTHW: np.ndarray,
        selected: PictureSelection,
        noise_tokens: int,
        seconds: Mapping[str, float],
    ) -> None:
        self._frames, self._seconds = frames, dict(seconds)
        self._pixels_PHWC: np.ndarray | None = None
        self.latents_CTHW, self.noise_tokens = latents_CTHW, noise_tokens
        self.selection, self.scores = selected.selection, selected.scores

    @property
    def seconds(self) -> Mapping[str, float]:
        """The time of each phase; see `GeneratedShot`."""
        return {name: round(seconds, 4) for name, seconds in self._seconds.items()}

    def decode(self) -> np.ndarray:
        """The pixels (P, H, W, 3). Each frame is released when it is converted."""
        if self._pixels_PHWC is None:
            began = time.monotonic()
            self._pixels_PHWC = _stacked(self._frames)
            self._seconds["decode"] += time.monotonic() - began
        return self._pixels_PHWC


def _stacked(frames: list[Frame]) -> np.ndarray:
    """The pixels (P, H, W, 3) of frames; empties the list."""
    import numpy as np

    first_HWC, count = to_pixels(frames[0]), len(frames)
    pixels_PHWC = np.empty((count, *first_HWC.shape), np.uint8)
    for place in reversed(range(count)):
        pixels_PHWC[place] = to_pixels(frames.pop())
    return pixels_PHWC


def _remembered_pictures(frames: list[Frame], stride: int) -> np.ndarray:
    """The pictures (3, T, H, W) that later shots can remember of a result."""
    import numpy as np

    shown = frames[::stride]
    height, width, channels = to_pixels(shown[0]).shape
    pictures_CTHW = np.empty((channels, len(shown), height, width), np.uint8)
    for place, frame in enumerate(shown):
        pictures_CTHW[:, place] = to_pixels(frame).transpose(2, 0, 1)
    return pictures_CTHW


def _runner(model: ExternalModel) -> Runner:
    """The runner of a model.

    Raises:
        OnestoryError: M557 for a command that the user has not allowed, M551 for an invalid workflow.
    """
    if model.workflow:
        return ComfyUiRunner(read_workflow(Path(model.workflow)), model.server)
    if not model.allowed:
        raise OnestoryError(
            "M557",
            f'the story runs the command "{model.command[0]}" on this machine',
            help="pass `--allow-commands` if you trust the story",
            exit=ExitCode.USAGE,
        )
    return CommandRunner(model.command, Path(model.folder))


@contextmanager
def _failure_forgotten(request: ShotRequest) -> Iterator[None]:
    """Replace the partial of a failed shot, so that the next render generates it instead of fetching the failure."""
    try:
        yield
    except OnestoryError as fault:
        if fault.code in ("M554", "M555") and request.checkpoint.enabled:
            request.checkpoint.keep(Partial(identity="failed", step=0, steps=request.job.steps, arrays={}))
        raise


class ShotProgress:
    """Turns what a runner reports into events and previews of one shot.

    Some programs report a step more than once, and others report none.
    """

    def __init__(self, request: ShotRequest) -> None:
        self._request, self._shot = request, request.job.shot
        self._began, self._step, self._steps = time.monotonic(), 0, request.job.steps
        self._previewed = 0.0
        self._node = ("", 0, 0)

    def on_step(self, step: int, steps: int) -> None:
        """A step of the shot is done."""
        if step > self._step:
            now = time.monotonic()
            self._request.emit(StepDone(shot=self._shot, step=step, steps=steps, seconds=now - self._began))
            self._began, self._step, self._steps = now, step, steps

    def on_node(self, name: str, step: int, steps: int) -> None:
        """A node runs."""
        if (name, step, steps) != self._node:
            self._node = name, step, steps
            self._request.emit(NodeStep(shot=self._shot, node=shorten(name), step=step, steps=steps))

    def on_preview(self, picture: bytes) -> None:
        """Show an encoded picture, unless the last one has just been shown or previews are off."""
        now = time.monotonic()
        if self._request.preview is None or now - self._previewed < PREVIEW_SECONDS:
            return
        self._previewed = now
        pixels_HWC = decode_picture(picture)
        if pixels_HWC is not None:
            self._request.preview(self._shot, self._step, self._steps, pixels_HWC)


def _control(request: ShotRequest) -> RunControl:
    progress = ShotProgress(request)
    return RunControl(
        checkpoint=request.checkpoint,
        on_step=progress.on_step,
        on_node=progress.on_node,
        on_preview=progress.on_preview,
        steps=request.job.steps,
    )
