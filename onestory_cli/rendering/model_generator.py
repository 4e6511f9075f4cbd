"""A `ShotGenerator` of one model. Importing this module imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch

from onestory_cli.generation.selection import RecallResult, recall
from onestory_cli.generation.shot import ShotResult, can_decode_in_background, generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.models.encoders import VaeCodec
from onestory_cli.models.model import LoadedModel, SelectionModel
from onestory_cli.planning.jobs import ShotJob
from onestory_cli.rendering.generator import ShotRequest


class ModelGenerator:
    """Generates shots with one model. It has no state between shots.

    Parts are loaded when first needed: the VAE for `encode_clip`, the selection model for `recall`, the whole model for
    `generate`.
    """

    def __init__(
        self,
        spec: ModelSpec,
        load_selection: Callable[[], SelectionModel],
        load: Callable[[SelectionModel | None], LoadedModel],
        load_codec: Callable[[], VaeCodec] | None = None,
    ) -> None:
        self._spec, self._load_selection, self._load = spec, load_selection, load
        self._load_codec = load_codec or (lambda: self._model.codec)
        self._loaded: SelectionModel | None = None

    @property
    def _selection(self) -> SelectionModel:
        self._loaded = self._loaded or self._load_selection()
        return self._loaded

    @cached_property
    def _model(self) -> LoadedModel:
        model = self._load(self._loaded)
        self._loaded = model.selection
        return model

    @cached_property
    def _codec(self) -> VaeCodec:
        return self._model.codec if "_model" in vars(self) else self._load_codec()

    def encode_reference(self, pixels_HWC: np.ndarray) -> np.ndarray:
        """The latents (C, 1, H, W) of a reference image."""
        with torch.inference_mode():
            return self._model.codec.encode_image(pixels_HWC).cpu().numpy()

    def encode_clip(self, pixels_PHWC: np.ndarray) -> np.ndarray:
        """The latents (C, T, H, W) of a clip; of the model, only the VAE is loaded."""
        with torch.inference_mode():
            return self._codec.encode_video(pixels_PHWC[None])[0].cpu().numpy()

    def decode(self, latents_CTHW: np.ndarray) -> np.ndarray:
        """The pixels (P, H, W, 3) of latents; of the model, only the VAE is loaded."""
        with torch.inference_mode():
            pixels_PHW3: np.ndarray = self._codec.decode(torch.from_numpy(latents_CTHW))
        return pixels_PHW3

    def generate(self, request: ShotRequest) -> ShotResult:
        """Generate a shot. Its pixels are decoded later, unless decoding in the background would gain nothing."""
        job, model = request.job, self._model
        bank = self._bank(job, request.memory)
        shot = generate_shot(
            model,
            job,
            bank,
            image=request.image,
            emit=request.emit,
            checkpoint=request.checkpoint,
            preview=request.preview,
        )
        if not can_decode_in_background(model, width=job.width, height=job.height):
            shot.decode()
        return shot

    def recall(self, job: ShotJob, memory: Mapping[str, np.ndarray]) -> RecallResult:
        """What `generate` would select from `memory`, by the selection model alone."""
        return recall(self._selection, job, self._bank(job, memory))

    def environment(self) -> Mapping[str, Any]:
        """Device, data types, threads and versions, for the record."""
        decoder = str(self._model.codec.decoder_dtype).removeprefix("torch.")
        return {**self._model.denoiser.environment(), "decoder": decoder}

    def _bank(self, job: ShotJob, memory: Mapping[str, np.ndarray]) -> MemoryBank:
        spec = self._spec
        height, width = spec.latent_size(job.width, job.height)
        bank = MemoryBank(channels=spec.latent_channels, height=height, width=width)
        for source, latents_CTHW in memory.items():
            bank.add(source, torch.from_numpy(latents_CTHW))
        return bank
