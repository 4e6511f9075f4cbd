"""Similarity of images: the cosine of DINOv2 embeddings.

Shape letters: P frames, D width of an embedding, H W.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import Dinov2Model

from onestory_cli.models.network_loading import Kind, Loaded, load_network

KINDS = {"dinov2": Kind(model=Dinov2Model, pictures="BitImageProcessor")}
BATCH = 16


class Embedder:
    """Embeds images of any size as unit vectors."""

    def __init__(self, network: Loaded) -> None:
        self.network = network

    @torch.inference_mode()
    def __call__(self, pictures: Sequence[np.ndarray]) -> Tensor:
        """Embed images, each (H, W, 3) uint8, as unit vectors (P, D)."""
        parts = []
        for start in range(0, len(pictures), BATCH):
            squares = [square(picture) for picture in pictures[start : start + BATCH]]
            side = {"shortest_edge": self.network.pictures.crop_size["height"]}
            inputs = self.network.pictures(images=squares, size=side, do_center_crop=False, return_tensors="pt")
            parts.append(self.network.model(inputs["pixel_values"].to(self.network.device)).pooler_output.float().cpu())
        return functional.normalize(torch.cat(parts), dim=-1)


def square(picture_HW3: np.ndarray) -> np.ndarray:
    """Pad an image to a square with its mean colour, because the usual centre crop would cut off heads."""
    height, width = picture_HW3.shape[:2]
    side = max(height, width)
    framed = np.broadcast_to(picture_HW3.mean((0, 1)).astype(np.uint8), (side, side, 3)).copy()
    top, left = (side - height) // 2, (side - width) // 2
    framed[top : top + height, left : left + width] = picture_HW3
    return framed


def load_embedder(source: str, device: torch.device) -> Embedder:
    """Load an embedder; see `load_network`."""
    return Embedder(load_network(source, "embedder", KINDS, device))


def consistency(frames_PD: Tensor) -> float | None:
    """Mean similarity of each frame to the first and to the previous one, as in VBench; None for a single frame."""
    if len(frames_PD) < 2:
        return None
    first, before = frames_PD[1:] @ frames_PD[0], (frames_PD[1:] * frames_PD[:-1]).sum(-1)
    return float((first.clamp(min=0) + before.clamp(min=0)).mean() / 2)


def mean_direction(frames_PD: Tensor) -> Tensor:
    """The normalised mean (D,) of the embeddings of a shot's frames."""
    return functional.normalize(frames_PD.mean(0), dim=-1)


def cosine(one_D: Tensor, other_D: Tensor) -> float:
    """Cosine of two unit vectors, clamped to -1..1."""
    return float((one_D @ other_D).clamp(-1, 1))


def pairwise(shots_PD: Sequence[Tensor]) -> float | None:
    """The mean cosine over all pairs of shots; None for fewer than two."""
    if len(shots_PD) < 2:
        return None
    cosines = torch.stack(list(shots_PD)) @ torch.stack(list(shots_PD)).T
    return float(cosines[torch.triu(torch.ones_like(cosines, dtype=torch.bool), diagonal=1)].mean())
