"""Detect cuts, flashes, frozen and black clips from pixels.

Limits are in `onestory_cli/quality.py`. A shot is one uninterrupted clip, so every cut inside it is a fault. Cuts and
flashes are measured on small grey frames, where grain averages out.
Shape letters: P pixel frames, H W.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onestory_cli.media.colour import Pixels, glance
from onestory_cli.quality import BLACK, CUT, FLASH, FROZEN, RULES

GREY_SIDE = 24  # pixels of the shorter side: large enough for a figure, too small for grain
OUTLIER = 3.0  # times the neighbouring motion, and
NEAR = 2  # frames on either side: the defaults of PySceneDetect's AdaptiveDetector
FLASH_NEAR = 4  # frames on either side of a flash; its own end is one of them, so use their median
FLASH_LENGTHS = (1, 2)  # frames; longer changes are two cuts
BACK = 2.0  # times the change that remains after a flash
BLACK_PIXEL = 0.1  # of full luma, and
BLACK_SHARE = 0.98  # of the pixels: the defaults of FFmpeg's blackdetect

Sizes = NDArray[np.float64]


def measure(pixels_PHWC: Pixels) -> dict[str, float]:
    """Measure a clip: name of the check -> value in 0..1."""
    cuts, flashes = sudden(pixels_PHWC)
    seen = glance(pixels_PHWC)
    return {
        CUT: float(cuts.max()),
        FLASH: float(flashes.max()),
        FROZEN: stillness(seen),
        BLACK: blackness(seen),
    }


def places(sizes_P: Sizes, name: str) -> tuple[int, ...]:
    """Indices of the frames whose value exceeds the limit of the check."""
    return tuple(np.flatnonzero(sizes_P > RULES[name].limit).tolist())


def sudden(pixels_PHWC: Pixels) -> tuple[Sizes, Sizes]:
    """Per frame, the sizes (0..1) of the cut that starts there and of the flash that it belongs to: (P,), (P,)."""
    greys = np.stack([_grey(frame) for frame in pixels_PHWC])
    steps = _steps(greys)
    flashes = _flashes(greys, steps)
    return _cuts(steps, flashes > RULES[FLASH].limit), flashes


def stillness(pixels_PHWC: Pixels) -> float:
    """The largest change between two frames, 0..1. A single frame counts as moving."""
    steps = _steps(frame.astype(np.float32) / 255 for frame in pixels_PHWC)  # one by one: a clip in floats is large
    return float(steps.max()) if len(steps) else 1.0


def blackness(pixels_PHWC: Pixels) -> float:
    """The share of frames that are black."""
    weights = np.array([0.2126, 0.7152, 0.0722]) / 255
    return float(np.mean([(frame @ weights < BLACK_PIXEL).mean() >= BLACK_SHARE for frame in pixels_PHWC]))


def _cuts(steps: Sizes, flashing_P: NDArray[np.bool_]) -> Sizes:
    """Changes that exceed the neighbouring motion and do not start or end a flash: (P,)."""
    sizes = np.zeros(len(flashing_P))
    for place, step in enumerate(steps):
        near = _neighbours(steps, place, NEAR)
        usual = near.mean() if len(near) else 0.0
        if step > OUTLIER * usual and not flashing_P[place : place + 2].any():
            sizes[place + 1] = step
    return sizes


def _flashes(greys_PHW: Sizes, steps: Sizes) -> Sizes:
    """Changes that are undone within a few frames: (P,)."""
    sizes = np.zeros(len(greys_PHW))
    for length in FLASH_LENGTHS:
        for first in range(1, len(greys_PHW) - length):
            after = first + length
            change = min(steps[first - 1], steps[after - 1])
            left = _difference(greys_PHW[first - 1], greys_PHW[after])
            if change > max(BACK * left, OUTLIER * np.median(_neighbours(steps, first - 1, FLASH_NEAR))):
                sizes[first:after] = np.maximum(sizes[first:after], change)
    return sizes


def _neighbours(steps: Sizes, place: int, near: int) -> Sizes:
    return np.concatenate([steps[max(0, place - near) : place], steps[place + 1 : place + 1 + near]])


def _steps(frames_P: Iterable[NDArray[np.floating]]) -> Sizes:
    """Differences of neighbouring frames: (P - 1,)."""
    return np.array([_difference(one, other) for one, other in pairwise(frames_P)])


def _difference(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return float(np.abs(one - other).mean())


def _grey(frame_HWC: Pixels) -> Sizes:
    """The frame in grey, small, 0..1."""
    height, width = frame_HWC.shape[:2]
    scale = min(1.0, GREY_SIDE / min(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(frame_HWC).convert("L").resize(size, Image.Resampling.BOX), np.float64) / 255
