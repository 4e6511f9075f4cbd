"""Relevance without training: how well a picture fits a caption, by an image-text model of transformers.

Shape letters: F pictures, H W pixels, D width of the joint embedding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

TEXT_LENGTH = 64  # tokens; SigLIP was trained with captions padded to this


class ImageTextScorer:
    """Cosine similarity of captions and pictures, by CLIP, SigLIP or SigLIP 2. Read when it is first asked."""

    def __init__(self, folder: Callable[[], Path], device: torch.device) -> None:
        self._find, self._device = folder, device
        self._views: dict[bytes, Tensor] = {}

    @cached_property
    def _folder(self) -> Path:
        return self._find()

    @cached_property
    def _model(self) -> nn.Module:
        model = AutoModel.from_pretrained(self._folder, dtype=torch.float32, use_safetensors=True)
        return model.to(self._device).eval().requires_grad_(False)

    @torch.inference_mode()
    def views(self, name: bytes, look: Callable[[], NDArray[np.uint8]]) -> Tensor:
        """Embeddings (F, D) of the pictures (F, H, W, 3) that `look()` gives; by `name` they are looked at once."""
        if name not in self._views:
            processor = AutoImageProcessor.from_pretrained(self._folder, backend="pil")
            inputs = processor(images=list(look()), return_tensors="pt").to(self._device)
            # one by one: a batch rounds otherwise, and the same frame must always score the same
            rows = [self._model.get_image_features(pixel_values=one[None]) for one in inputs.pixel_values]
            self._views[name] = torch.stack([_unit(row) for row in rows])
        return self._views[name]

    @torch.inference_mode()
    def score(self, caption: str, views_FD: Tensor) -> Tensor:
        """Similarity (F,) of the caption to every view, between -1 and 1, in float32 on the processor."""
        return (views_FD @ self._reading(caption)).cpu()

    def _reading(self, caption: str) -> Tensor:
        tokenizer = AutoTokenizer.from_pretrained(self._folder)
        length = min(tokenizer.model_max_length, TEXT_LENGTH)
        tokens = tokenizer(caption, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
        names = [name for name in ("input_ids", "attention_mask") if name in tokens]
        return _unit(self._model.get_text_features(**{name: tokens[name].to(self._device) for name in names}))


def latents_digest(latents_CTHW: Tensor) -> bytes:
    """A name for the content of latents."""
    return hashlib.sha256(latents_CTHW.cpu().contiguous().numpy().tobytes()).digest()


def _unit(features: object) -> Tensor:
    """One embedding (D,) of length 1; transformers gives it bare or inside an output, by version."""
    tensor = features if isinstance(features, Tensor) else features.pooler_output  # type: ignore[attr-defined]
    return functional.normalize(tensor[0].float(), dim=0)
