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
from onestory_cli.generate.selection import RecallResult, recall
from onestory_cli.generate.shot import ShotResult, generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.models.model import LoadedModel
from onestory_cli.models.selection_model import SelectionModel
from onestory_cli.planning.jobs import ShotJob


class ModelGenerator:
    """Generate shots with one model; it keeps no state between shots.

    Parts are loaded on first use: the selection model for `recall`, everything for `make`.
    """

    def __init__(
        self,
        spec: ModelSpec,
        load_selection: Callable[[], SelectionModel],
        load: Callable[[SelectionModel | None], LoadedModel],
    ) -> None:
        self._spec, self._load_selection, self._load = spec, load_selection, load
        self._selected: SelectionModel | None = None

    @property
    def _selection(self) -> SelectionModel:
        self._selected = self._selected or self._load_selection()
        return self._selected

    @cached_property
    def _model(self) -> LoadedModel:
        model = self._load(self._selected)
        self._selected = model.selection
        return model

    def encode_reference(self, pixels_HWC: np.ndarray) -> np.ndarray:
        """Latents (C, 1, H, W) of a reference image."""
        with torch.inference_mode():
            return self._model.codec.encode_image(pixels_HWC).cpu().numpy()

    def make(
        self,
        job: ShotJob,
        memory: Mapping[str, np.ndarray],
        *,
        image: np.ndarray | None,
        emit: Emit,
        checkpoint: Checkpoint,
    ) -> ShotResult:
        """Generate a shot that can read `memory`, source -> latents (C, T, H, W) in film order.

        It is decoded at once, unless decoding in the background saves time.
        """
        bank = self._bank(job, memory)
        made = generate_shot(self._model, job, bank, image=image, emit=emit, checkpoint=checkpoint)
        if not can_decode_in_background(self._model, width=job.width, height=job.height):
            made.decode()
        return made

    def recall(self, job: ShotJob, memory: Mapping[str, np.ndarray]) -> RecallResult:
        """What the shot would remember of `memory` now, by the selection model alone."""
        return recall(self._selection, job, self._bank(job, memory))

    def environment(self) -> Mapping[str, Any]:
        """Device, dtype, threads and versions, for the record."""
        return self._model.denoiser.environment()

    def _bank(self, job: ShotJob, memory: Mapping[str, np.ndarray]) -> MemoryBank:
        spec = self._spec
        height, width = spec.latent_size(job.width, job.height)
        bank = MemoryBank(channels=spec.latent_channels, height=height, width=width)
        for source, latents_CTHW in memory.items():
            bank.add(source, torch.from_numpy(latents_CTHW))
        return bank
