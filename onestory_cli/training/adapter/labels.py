"""Relevance labels from images: the similarity of a remembered frame to the target shot (OneStory 4.4).

Shape letters: A encoders, T latent frames of a shot, P pixel frames, H W pixels, E width of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional
from transformers import (
    AutoConfig,
    BitImageProcessorPil,
    CLIPImageProcessorPil,
    CLIPVisionModelWithProjection,
    Dinov2Model,
)

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.hub import folder_of
from onestory_cli.models.network_size import require_size

# model type -> class, its processor, and the output that embeds the whole picture
ENCODERS: dict[str, tuple[Any, Any, str]] = {
    "dinov2": (Dinov2Model, BitImageProcessorPil, "pooler_output"),
    "clip": (CLIPVisionModelWithProjection, CLIPImageProcessorPil, "image_embeds"),
    "clip_vision_model": (CLIPVisionModelWithProjection, CLIPImageProcessorPil, "image_embeds"),
}


@dataclass(frozen=True)
class ImageEncoder:
    """Embeds images as unit vectors."""

    model: Any
    processor: Any
    output: str

    @torch.inference_mode()
    def __call__(self, pixels_THWC: NDArray[np.uint8]) -> Tensor:
        """Embeddings (T, E) of T images."""
        pictures = [Image.fromarray(pixels) for pixels in pixels_THWC]
        inputs = self.processor(images=pictures, return_tensors="pt").to(self.model.device)
        return functional.normalize(getattr(self.model(**inputs), self.output).float(), dim=-1)


def load_image_encoder(name: str, device: torch.device) -> ImageEncoder:
    """Load a DINOv2 or CLIP encoder by hub id or folder.

    Raises:
        OnestoryError: T604 for an encoder that cannot be read or has another model type.
    """
    try:
        config = AutoConfig.from_pretrained(name)
        kind = config.model_type
        if kind not in ENCODERS:
            raise ValueError(f"model type {kind} is not supported (expected {' or '.join(ENCODERS)})")
        model, processor, output = ENCODERS[kind]
        if folder := folder_of(name):
            require_size(folder, lambda: model(getattr(config, "vision_config", config)))
        loaded = model.from_pretrained(name, use_safetensors=True).to(device).eval().requires_grad_(False)
        return ImageEncoder(loaded, processor.from_pretrained(name), output)
    except (OSError, ValueError) as fault:
        raise OnestoryError(
            "T604",
            f'image encoder "{name}" cannot be read: {str(fault).splitlines()[0]}',
            help="name a folder that contains it in `data: {labels: [...]}`, or state `relevance` in the manifest",
            exit=ExitCode.MACHINE,
        ) from fault


def pictures_of(pixels_PHWC: NDArray[np.uint8], *, stride: int) -> NDArray[np.uint8]:
    """(T, H, W, 3): one picture for each latent frame of a causal VAE.

    The first latent frame is one pixel frame. Each other one covers `stride` pixel frames; the middle one is returned.
    """
    later = range(1 + (stride - 1) // 2, len(pixels_PHWC), stride)
    return pixels_PHWC[[0, *later]]


def similarity(frames_TE: Tensor, target_TE: Tensor) -> Tensor:
    """(T,) in -1..1: mean cosine of each frame with the frames of the target shot."""
    return (frames_TE.float() @ target_TE.float().T).mean(1)
