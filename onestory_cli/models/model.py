"""A model in memory: text encoder, VAE, selection model, transformers. `load.py` loads it.

Shape letters: H W pixels, I image tokens, V image width.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any, TypeAlias

import diffusers
import numpy as np
import torch
import transformers
from diffusers import (
    SchedulerMixin,
    WanVACETransformer3DModel,
)
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import CLIPVisionModel

from onestory_cli.memory.conditioner import AdaptiveConditioner
from onestory_cli.memory.selector import FrameSelector
from onestory_cli.models.caption_encoder import CPU, CaptionEncoder
from onestory_cli.models.selection_model import PictureSelector, SelectionModel, TextSelector
from onestory_cli.models.spec import ModelSpec
from onestory_cli.models.transformer import MemoryWanTransformer
from onestory_cli.models.vae_codec import VaeCodec
from onestory_cli.schedulers import SCHEDULERS

TRAIN_TIMESTEPS = 1000  # flow matching in diffusers runs from this timestep down to 0

Transformer: TypeAlias = "MemoryWanTransformer | WanVACETransformer3DModel"


@dataclass(kw_only=True)
class ClipImageEncoder:
    """The CLIP encoder of first frames, of bases that read image tokens (Wan 2.1 I2V)."""

    encoder: CLIPVisionModel
    processor: Any
    device: torch.device = CPU

    def encode(self, pixels_HWC: NDArray[np.uint8]) -> Tensor:
        """Image tokens (1, I, V), from the second-to-last layer, as in Wan's training."""
        inputs = self.processor(images=pixels_HWC, return_tensors="pt").to(self.device, self.encoder.dtype)
        return self.encoder(**inputs, output_hidden_states=True).hidden_states[-2]


@dataclass(kw_only=True)
class Denoiser:
    """The transformers of a model, the high-noise expert first, and the conditioner of each if there is an adapter.

    `dtype` is the type that the transformers compute in.
    """

    spec: ModelSpec
    transformers: tuple[Transformer, ...]
    conditioners: tuple[AdaptiveConditioner, ...] = ()
    device: torch.device = CPU
    dtype: torch.dtype = torch.float32

    def expert(self, timestep: Tensor) -> int:
        """Index of the transformer for a timestep (0 to 1000): 1 below the boundary of a model with two experts."""
        boundary = self.spec.boundary_ratio
        return int(boundary is not None and float(timestep) < boundary * TRAIN_TIMESTEPS)

    def scheduler(self, name: str, steps: int, shift: float) -> SchedulerMixin:
        """A diffusers scheduler with its timesteps set; `shift` is the flow shift of the sigmas."""
        return SCHEDULERS[name](steps, shift, self.device)

    def environment(self) -> dict[str, Any]:
        """What the bytes of a take depend on in addition to its key, for the record."""
        return {
            "device": str(self.device),
            "fitting": str(self.spec.execution),
            "dtype": str(self.dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "cpu": torch.backends.cpu.get_cpu_capability() if self.device.type == "cpu" else "",
            "gpu": torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "",
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        }


@dataclass(kw_only=True)
class LoadedModel:
    """A base, with its adapter if it has one, ready to generate shots."""

    text: CaptionEncoder
    codec: VaeCodec
    selection: SelectionModel
    denoiser: Denoiser
    image_encoder: ClipImageEncoder | None = None

    @property
    def spec(self) -> ModelSpec:
        """The spec that the model was loaded from."""
        return self.denoiser.spec

    @property
    def device(self) -> torch.device:
        """Where the model computes; offloaded weights wait elsewhere."""
        return self.denoiser.device

    @property
    def transformer(self) -> Transformer:
        """The only transformer, or the high-noise expert."""
        return self.denoiser.transformers[0]

    @property
    def conditioner(self) -> AdaptiveConditioner:
        """The conditioner of `transformer`; only models with an adapter have one."""
        return self.denoiser.conditioners[0]

    @property
    def selector(self) -> FrameSelector:
        """The trained frame selector; only models with an adapter have one."""
        assert isinstance(self.selection, TextSelector), "a model without an adapter has no frame selector"
        return self.selection.selector

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """All modules with weights, except the scorer, which loads itself on first use."""
        selector = [self.selection.selector] if isinstance(self.selection, TextSelector) else []
        encoder = [self.image_encoder.encoder] if self.image_encoder else []
        denoiser = self.denoiser
        return (self.codec.vae, self.text.encoder, *selector, *encoder, *denoiser.conditioners, *denoiser.transformers)

    def to(self, device: torch.device) -> LoadedModel:
        """Move all parts to a device; returns the model itself."""
        assert not isinstance(self.selection, PictureSelector), "a scorer stays on the device that it was loaded for"
        for module in self.modules:
            module.to(device)
        for part in (self.text, self.codec, self.denoiser, self.image_encoder):
            if part is not None:
                part.device = device
        return self
