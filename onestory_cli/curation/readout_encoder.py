"""Image embeddings of storyworld frames by the read-out: who is seen, and where.

Shape letters: P frames, E width of an embedding, H W pixels.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from onestory_cli.evaluation.embeddings import View
from onestory_cli.evaluation.readout import Readout, load_readout
from onestory_cli.storyworld import WorldConfig, make_story, render_shot

CHARACTERS = 0.6  # weight against the place, as in the relevance of the storyworld
CENTRE_SEED, CENTRE_STORIES = 900_000, 8  # storyworld films whose mean embedding is subtracted


class ReadoutEncoder:
    """Embeds frames as unit vectors, as the image encoders do.

    The mean over frames of the storyworld is subtracted from the embeddings of the read-out: without it, frames that
    have nothing in common have a cosine of 0.4.
    """

    def __init__(self) -> None:
        self._readout: Readout = load_readout()
        stories = [make_story(CENTRE_SEED + number, WorldConfig(), shots=4) for number in range(CENTRE_STORIES)]
        clips = [render_shot(shot, WorldConfig()).pixels_THWC for story in stories for shot in story.shots]
        views = self._readout.view(np.stack([clip[len(clip) // 2] for clip in clips])[:, None])
        self._character = np.mean([item for view in views for item in view.characters.values()], axis=0)
        self._place = np.mean([view.place for view in views], axis=0)

    def __call__(self, pixels_PHWC: NDArray[np.uint8]) -> torch.Tensor:
        """Return the embeddings (P, E) of frames (P, H, W, 3)."""
        return torch.from_numpy(np.stack([self._vector(view) for view in self._readout.view(pixels_PHWC[:, None])]))

    def _vector(self, view: View) -> NDArray[np.float32]:
        """Characters and place side by side; the cosine of two is the weighted mean of their likenesses."""
        characters = [_unit(item - self._character) for item in view.characters.values()]
        who = np.sum([*characters, np.zeros_like(view.place)], axis=0)  # both are of one width
        share = CHARACTERS if who.any() else 0.0
        parts = [_unit(who) * share**0.5, _unit(view.place - self._place) * (1 - share) ** 0.5]
        return np.concatenate(parts).astype(np.float32)


def _unit(vector_E: NDArray[np.float32]) -> NDArray[np.float32]:
    length = float(np.linalg.norm(vector_E))
    return vector_E / length if length else vector_E
