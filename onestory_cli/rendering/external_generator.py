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
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Remembered, StepDone
from onestory_cli.external.comfyui import ComfyUiRunner
from onestory_cli.external.command import CommandRunner
from onestory_cli.external.job import ExternalJob, RunControl, Runner, external_job
from onestory_cli.external.recall import PictureRecall, PictureSelection, pictures_of
from onestory_cli.external.result import read_result
from onestory_cli.models.spec import ExternalModel, ModelSpec
from onestory_cli.models.workflow import read_workflow
from onestory_cli.planning.jobs import ShotJob
from onestory_cli.rendering.generator import DecodedShot, ShotRequest

if TYPE_CHECKING:
    import numpy as np


class ExternalGenerator:
    """Generates shots with a workflow on a server, or with a command."""

    def __init__(self, spec: ModelSpec, device: str) -> None:
        self._spec = spec
        self._recall = PictureRecall(spec, device)

    @cached_property
    def _runner(self) -> Runner:
        assert self._spec.external is not None
        return _runner(self._spec.external)

    def encode_reference(self, pixels_HWC: np.ndarray) -> np.ndarray:
        """A reference image as pictures (3, 1, H, W)."""
        return pixels_HWC.transpose(2, 0, 1)[:, None]

    def encode_clip(self, pixels_PHWC: np.ndarray) -> np.ndarray:
        """The pictures (3, T, H, W) that later shots can remember of a clip."""
        return pixels_PHWC[:: self._spec.temporal_stride].transpose(3, 0, 1, 2)

    def recall(self, job: ShotJob, memory: Mapping[str, np.ndarray]) -> PictureSelection:
        """What `generate` would select."""
        return self._recall.recall(job, memory)

    def generate(self, request: ShotRequest) -> DecodedShot:
        """Generate a shot: select pictures, run the model, read and check its result."""
        job, began = request.job, time.monotonic()
        selected = self.recall(job, request.memory)
        frames = tuple((frame.source, frame.index) for frame in selected.selection)
        visible = sum(map(len, selected.scores.values()))
        request.emit(Remembered(shot=job.shot, frames=frames, tokens=0, visible=visible))
        external = self._job(request, selected)
        remembered = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="onestory-") as folder, _failure_forgotten(request):
            files = self._runner.run(external, Path(folder), _control(request))
            generated = time.monotonic()
            pixels_PHWC = read_result(files, job, self._spec.name)
        decoded = time.monotonic()
        return DecodedShot(
            pixels_PHWC=pixels_PHWC,
            latents_CTHW=self.encode_clip(pixels_PHWC),
            selection=selected.selection,
            scores=selected.scores,
            noise_tokens=job.tokens.noise,
            seconds={
                "remember": round(remembered - began, 4),
                "denoise": round(generated - remembered, 4),
                "decode": round(decoded - generated, 4),
            },
        )

    def environment(self) -> Mapping[str, Any]:
        """What is known of the model's program."""
        return self._runner.environment()

    def _job(self, request: ShotRequest, selected: PictureSelection) -> ExternalJob:
        pictures = pictures_of(request.memory, selected.selection)
        if self._spec.remembers == "first-frame":
            first = request.image if request.image is not None else next(iter(pictures), None)
            return external_job(request.job, first_frame=first)
        return external_job(request.job, first_frame=request.image, references=pictures)


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


def _control(request: ShotRequest) -> RunControl:
    """Progress as events. Some programs report a step more than once, and others report none."""
    began, last = time.monotonic(), 0

    def on_step(step: int, steps: int) -> None:
        nonlocal began, last
        if step > last:
            now = time.monotonic()
            request.emit(StepDone(shot=request.job.shot, step=step, steps=steps, seconds=now - began))
            began, last = now, step

    return RunControl(checkpoint=request.checkpoint, on_step=on_step, steps=request.job.steps)
