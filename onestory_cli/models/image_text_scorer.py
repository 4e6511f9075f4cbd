"""Relevance without training: how well a picture matches a caption, by an image-text model of transformers.

Shape letters: F pictures, H W pixels, D width of the joint embedding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer

from onestory_cli.models.network_size import require_size

MAX_TEXT_TOKENS = 64  # SigLIP was trained with captions padded to this length


class ImageTextScorer:
    """Cosine similarity of captions and pictures, by CLIP, SigLIP or SigLIP 2. The model is loaded on first use."""

    def __init__(self, folder: Callable[[], Path], device: torch.device) -> None:
        self._find, self._device = folder, device
        self._embeds: dict[bytes, Tensor] = {}

    @cached_property
    def _folder(self) -> Path:
        return self._find()

    @cached_property
    def _model(self) -> nn.Module:
        folder = self._folder
        require_size(folder, lambda: AutoModel.from_config(AutoConfig.from_pretrained(folder)))
        model = AutoModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
        return model.to(self._device).eval().requires_grad_(False)

    @torch.inference_mode()
    def embed(self, key: bytes, pictures: Callable[[], NDArray[np.uint8]]) -> Tensor:
        """Embeddings (F, D) of the pictures (F, H, W, 3) that `pictures()` returns; cached by `key`."""
        if key not in self._embeds:
            processor = AutoImageProcessor.from_pretrained(self._folder, backend="pil")
            inputs = processor(images=list(pictures()), return_tensors="pt").to(self._device)
            # one by one: rounding depends on the batch size, and the same frame must always get the same score
            rows = [self._model.get_image_features(pixel_values=one[None]) for one in inputs.pixel_values]
            self._embeds[key] = torch.stack([_unit(row) for row in rows])
        return self._embeds[key]

    @torch.inference_mode()
    def score(self, caption: str, embeds_FD: Tensor) -> Tensor:
        """Cosine similarity (F,) of the caption to every embedding, in float32 on the CPU."""
        return (embeds_FD @ self._embed_text(caption)).cpu()

    def _embed_text(self, caption: str) -> Tensor:
        tokenizer = AutoTokenizer.from_pretrained(self._folder)
        length = min(tokenizer.model_max_length, MAX_TEXT_TOKENS)
        tokens = tokenizer(caption, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
        names = [name for name in ("input_ids", "attention_mask") if name in tokens]
        return _unit(self._model.get_text_features(**{name: tokens[name].to(self._device) for name in names}))


class LatentsDigests:
    """Digests of the latents of a film. Those that were in the last call are not computed again."""

    def __init__(self) -> None:
        # the tensors are kept, so that no other latents can have their address
        self._known: dict[tuple[int, torch.Size, tuple[int, ...]], tuple[Tensor, bytes]] = {}

    def of(self, latents: Sequence[Tensor]) -> list[bytes]:
        """The digest of each tensor; their values must not change afterwards."""
        places = [(item.data_ptr(), item.shape, item.stride()) for item in latents]
        known = dict(zip(places, latents, strict=True))
        self._known = {place: self._known.get(place) or (item, latents_digest(item)) for place, item in known.items()}
        return [self._known[place][1] for place in places]


def latents_digest(latents_CTHW: Tensor) -> bytes:
    """SHA-256 of the values of latents, as a cache key."""
    return hashlib.sha256(latents_CTHW.cpu().contiguous().numpy()).digest()


def _unit(features: object) -> Tensor:
    """One embedding (D,) of length 1. Some versions of transformers wrap it in an output object."""
    tensor = features if isinstance(features, Tensor) else features.pooler_output  # type: ignore[attr-defined]
    return functional.normalize(tensor[0].float(), dim=0)
