"""Image embeddings of storyworld frames by the read-out: who is seen, and where.

Shape letters: P frames, E width of an embedding, H W pixels.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from onestory_cli.evaluation.embeddings import View
from onestory_cli.evaluation.readout import Readout, load_readout

CHARACTERS = 0.6  # weight against the place, as in the relevance of the storyworld


class ReadoutEncoder:
    """Embeds frames as unit vectors, as the image encoders do."""

    def __init__(self) -> None:
        self._readout: Readout = load_readout()

    def __call__(self, pixels_PHWC: NDArray[np.uint8]) -> torch.Tensor:
        """Return the embeddings (P, E) of frames (P, H, W, 3)."""
        return torch.from_numpy(np.stack([_vector(view) for view in self._readout.view(pixels_PHWC[:, None])]))


def _vector(view: View) -> NDArray[np.float32]:
    """Characters and place side by side; the cosine of two is the weighted mean of their likenesses."""
    who = np.sum([*view.characters.values(), np.zeros_like(view.place)], axis=0)  # both are of one width
    length = float(np.linalg.norm(who))
    share = CHARACTERS if length else 0.0
    who = who * (share**0.5 / length if length else 0.0)
    return np.concatenate([who, view.place * (1 - share) ** 0.5]).astype(np.float32)
