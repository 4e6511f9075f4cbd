"""Image embeddings of shots: likeness between neighbours, and relevance labels (OneStory 4.4: DINOv2 and CLIP).

A shot is kept as one mean of unit vectors per encoder: the mean cosine between the frames of two shots is the dot
product of their means. Shape letters: A encoders, P frames, E width of an embedding.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Pixels = NDArray[np.uint8]
READOUT = "readout"
# cosine of the read-out from which the relevance is 1: mean over pairs of shots with a true relevance of 1, in the
# films of python -m tests.benchmarks.curation captions
FULL = 0.6


class Encoders:
    """Image encoders by hub id or folder, or the read-out of the storyworld; loaded when first used."""

    def __init__(self, names: Sequence[str], device: str) -> None:
        from onestory_cli.curation.network_identity import network_identity, readout_identity

        self.names = tuple(names)
        self.identity = [readout_identity() if name == READOUT else network_identity(name) for name in names]
        self._device = device
        self._loaded: list[Any] = []

    def embed(self, frames: Sequence[Pixels]) -> list[str]:
        """Return one packed mean vector per encoder.

        Raises:
            OnestoryError: T604 for an encoder that cannot be loaded.
        """
        if not self._loaded:
            self._loaded = [_load(name, self._device) for name in self.names]
        return [pack(_mean(encoder, frames)) for encoder in self._loaded]


def _load(name: str, device: str) -> Any:
    """Return a function of frames (P, H, W, 3) that returns unit vectors (P, E)."""
    if name == READOUT:
        from onestory_cli.curation.readout_encoder import ReadoutEncoder

        return ReadoutEncoder()
    import torch

    from onestory_cli.training.adapter.labels import load_image_encoder

    return load_image_encoder(name, torch.device(device))


def _mean(encoder: Any, frames: Sequence[Pixels]) -> Vector:
    return np.asarray(encoder(np.stack(frames)).mean(0).cpu().numpy(), np.float32)


def pack(vector_E: Vector) -> str:
    """Return a vector as base64 of float16."""
    return base64.b64encode(vector_E.astype("<f2").tobytes()).decode("ascii")


def unpack(text: str) -> Vector:
    """Return the vector (E,) that `pack` wrote."""
    return np.frombuffer(base64.b64decode(text), "<f2").astype(np.float32)


def relevance_label(encoders: Sequence[str], one: Sequence[str], other: Sequence[str]) -> float:
    """Return the relevance of a shot for another, averaged over encoders, in -1..1.

    It is the mean cosine of the frames, as in the paper. The read-out has the scale of the storyworld instead: -1 for
    shots that have nothing in common, 1 for all.
    """
    values = [similarity([a], [b]) for a, b in zip(one, other, strict=True)]
    scaled = [
        2 * min(1.0, max(0.0, value / FULL)) - 1 if name == READOUT else value
        for name, value in zip(encoders, values, strict=True)
    ]
    return float(np.mean(scaled))


def similarity(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the mean cosine between the frames of two shots, averaged over encoders, in -1..1."""
    pairs = zip(one, other, strict=True)
    return float(np.clip(np.mean([unpack(a) @ unpack(b) for a, b in pairs]), -1.0, 1.0))
