"""A loaded model as the loop's Maker. Importing this module imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch

from onestory_cli.checkpoint import Checkpoint
from onestory_cli.events import Emit
from onestory_cli.generate.decode import can_decode_in_background
from onestory_cli.generate.recall import RecallResult, recall
from onestory_cli.generate.shot import ShotResult, generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.models.model import Eyes, LoadedModel, Reader
from onestory_cli.planning.jobs import ShotJob


class ModelGenerator:
    """Makes shots with one model; between shots it remembers nothing.

    Nothing is loaded before it is needed: the reader alone when a shot is first recalled, all when one is first made.
    """

    def __init__(
        self,
        spec: ModelSpec,
        load_reader: Callable[[], Reader | Eyes],
        load: Callable[[Reader | Eyes | None], LoadedModel],
    ) -> None:
        self._spec, self._load_reader, self._load = spec, load_reader, load
        self._known: Reader | Eyes | None = None

    @property
    def _reader(self) -> Reader | Eyes:
        self._known = self._known or self._load_reader()
        return self._known

    @cached_property
    def _model(self) -> LoadedModel:
        self._known = model = self._load(self._known)
        return model

    def encode_reference(self, pixels_HWC: np.ndarray) -> np.ndarray:
        """Latents (C, 1, H, W) of a reference image."""
        with torch.inference_mode():
            return self._model.encode_image(pixels_HWC).cpu().numpy()

    def make(
        self,
        job: ShotJob,
        memory: Mapping[str, np.ndarray],
        *,
        image: np.ndarray | None,
        emit: Emit,
        checkpoint: Checkpoint,
    ) -> ShotResult:
        """Make a shot that can see `memory`, source -> latents (C, T, H, W) in film order.

        Its pixels wait for whoever asks, but where decoding beside the next shot would gain nothing.
        """
        bank = self._bank(job, memory)
        made = generate_shot(self._model, job, bank, image=image, emit=emit, checkpoint=checkpoint)
        if not can_decode_in_background(self._model, width=job.width, height=job.height):
            _ = made.pixels_PHWC
        return made

    def recall(self, job: ShotJob, memory: Mapping[str, np.ndarray]) -> RecallResult:
        """What the shot would remember of `memory` now, by the reader alone."""
        return recall(self._reader, job, self._bank(job, memory))

    def environment(self) -> Mapping[str, Any]:
        """Device, data type, threads and versions, for the record."""
        return self._model.environment()

    def _bank(self, job: ShotJob, memory: Mapping[str, np.ndarray]) -> MemoryBank:
        spec = self._spec
        height, width = spec.latent_size(job.width, job.height)
        bank = MemoryBank(channels=spec.latent_channels, height=height, width=width)
        for source, latents_CTHW in memory.items():
            bank.add(source, torch.from_numpy(latents_CTHW))
        return bank
