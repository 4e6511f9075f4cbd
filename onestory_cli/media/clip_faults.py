"""Faults of a clip that show in its pixels alone: stray cuts, flashes, a frozen or black clip; how large and where.

Which number is too much, and why, stands in `onestory_cli/quality.py`. A shot is one uninterrupted clip, so that every
cut inside of it is stray. Cuts and flashes are looked for in small grey frames, where grain averages out.
Shape letters: P pixel frames, H W.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onestory_cli.media.colour import Pixels, glance
from onestory_cli.quality import BLACK, CUT, FLASH, FROZEN, RULES

GREY_SIDE = 24  # pixels of the shorter side: large enough for a figure, too small for grain
OUTLIER = 3.0  # times the motion beside it: PySceneDetect's AdaptiveDetector, and its
NEAR = 2  # frames on either side
FLASH_NEAR = 4  # frames on either side of a flash, whose end is one of them: so the median, and more of them
FLASH_LENGTHS = (1, 2)  # frames: what stays longer is a cut there and a cut back
BACK = 2.0  # times what is left of a flash when it is over
BLACK_PIXEL = 0.1  # of full luma, and
BLACK_SHARE = 0.98  # of the pixels: the defaults of FFmpeg's blackdetect

Sizes = NDArray[np.float64]


def measure(pixels_PHWC: Pixels) -> dict[str, float]:
    """The numbers of a clip by the names of their checks, each from 0 to 1."""
    cuts, flashes = sudden(pixels_PHWC)
    seen = glance(pixels_PHWC)
    return {
        CUT: float(cuts.max()),
        FLASH: float(flashes.max()),
        FROZEN: stillness(seen),
        BLACK: blackness(seen),
    }


def places(sizes_P: Sizes, name: str) -> tuple[int, ...]:
    """The frames, counted from 0, at which a number is beyond the limit of its check."""
    return tuple(np.flatnonzero(sizes_P > RULES[name].limit).tolist())


def sudden(pixels_PHWC: Pixels) -> tuple[Sizes, Sizes]:
    """Cuts and flashes: for each frame the size, of 1, of the cut that it begins and of the flash it is in, or 0."""
    greys = np.stack([_grey(frame) for frame in pixels_PHWC])
    steps = _steps(greys)
    flashes = _flashes(greys, steps)
    return _cuts(steps, flashes > RULES[FLASH].limit), flashes


def stillness(pixels_PHWC: Pixels) -> float:
    """The largest change between two frames, of 1; a single frame is no clip and counts as moving."""
    steps = _steps(pixels_PHWC.astype(np.float32) / 255)
    return float(steps.max()) if len(steps) else 1.0


def blackness(pixels_PHWC: Pixels) -> float:
    """The share of frames that are black."""
    luma_PHW = pixels_PHWC @ np.array([0.2126, 0.7152, 0.0722]) / 255
    return float(((luma_PHW < BLACK_PIXEL).mean(axis=(1, 2)) >= BLACK_SHARE).mean())


def _cuts(steps: Sizes, flashing_P: NDArray[np.bool_]) -> Sizes:
    """Changes that stand out from the motion beside them, and lead neither into a flash nor out of one: (P,)."""
    sizes = np.zeros(len(flashing_P))
    for place, step in enumerate(steps):
        beside = _beside(steps, place, NEAR)
        usual = beside.mean() if len(beside) else 0.0
        if step > OUTLIER * usual and not flashing_P[place : place + 2].any():
            sizes[place + 1] = step
    return sizes


def _flashes(greys_PHW: Sizes, steps: Sizes) -> Sizes:
    """Changes that are taken back within a few frames: (P,)."""
    sizes = np.zeros(len(greys_PHW))
    for length in FLASH_LENGTHS:
        for first in range(1, len(greys_PHW) - length):
            after = first + length
            change = min(steps[first - 1], steps[after - 1])
            left = _difference(greys_PHW[first - 1], greys_PHW[after])
            if change > max(BACK * left, OUTLIER * np.median(_beside(steps, first - 1, FLASH_NEAR))):
                sizes[first:after] = np.maximum(sizes[first:after], change)
    return sizes


def _beside(steps: Sizes, place: int, near: int) -> Sizes:
    return np.concatenate([steps[max(0, place - near) : place], steps[place + 1 : place + 1 + near]])


def _steps(frames_P: NDArray[np.floating]) -> Sizes:
    """How far each two neighbouring frames are apart: (P - 1,)."""
    return np.array([_difference(one, other) for one, other in pairwise(frames_P)])


def _difference(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return float(np.abs(one - other).mean())


def _grey(frame_HWC: Pixels) -> Sizes:
    """A small grey frame, of 1."""
    height, width = frame_HWC.shape[:2]
    scale = min(1.0, GREY_SIDE / min(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(frame_HWC).convert("L").resize(size, Image.Resampling.BOX), np.float64) / 255
