"""Faults of a clip that show in its pixels alone, as numbers: stray cut, flash, frozen or black clip; and its colours.

Numpy only. Which number is too much, and why, stands in `onestory_cli/checks.py`.
Shape letters: P pixel frames, T latent frames, H W.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

SIDE = 128  # pixels: of larger frames every so many pixels are looked at, as many as a glance needs
BLACK_PIXEL = 0.1  # of full luma, and
BLACK_SHARE = 0.98  # of the pixels: the defaults of FFmpeg's blackdetect
CUT_RATIO = 3.0  # a cut stands out this much from the motion beside it: PySceneDetect's AdaptiveDetector
NEAR = 2  # frames on either side that are the motion beside it, as there

_CODES = np.arange(256) / 255
LINEAR = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4)  # sRGB, IEC 61966-2-1
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = TO_XYZ.sum(axis=1)

Pixels = NDArray[np.uint8]


def measure(pixels_PHWC: Pixels) -> dict[str, float]:
    """The numbers of a clip by the names of their checks, each from 0 to 1."""
    small = glance(pixels_PHWC)
    return {
        "stray cut": stray_cut(small),
        "flash": flash(small),
        "frozen": stillness(small),
        "black": blackness(small),
    }


def glance(pixels_PHWC: Pixels) -> Pixels:
    """The same frames with their shorter side at most twice `SIDE`, without averaging."""
    stride = max(1, min(pixels_PHWC.shape[1:3]) // SIDE)
    return pixels_PHWC[:, ::stride, ::stride]


def stray_cut(pixels_PHWC: Pixels) -> float:
    """The largest change between two frames, of 1, that stands out from the motion beside it and does not go back."""
    steps = _steps(pixels_PHWC)
    found = 0.0
    for place, step in enumerate(steps):
        beside = np.concatenate([steps[max(0, place - NEAR) : place], steps[place + 1 : place + 1 + NEAR]])
        if step < CUT_RATIO * (beside.mean() if len(beside) else 0):
            continue
        before = pixels_PHWC[max(0, place - NEAR) : place + 1]
        after = pixels_PHWC[place + 1 : place + 2 + NEAR]
        found = max(found, min(_difference(one, other) for one in before for other in after))
    return float(found)


def flash(pixels_PHWC: Pixels) -> float:
    """The largest rise or fall of mean relative luminance, of 1, that is taken back after one or two frames."""
    light = (LINEAR[pixels_PHWC].mean(axis=(1, 2)) @ TO_XYZ[1]).tolist()
    found = 0.0
    for length in (1, 2):
        for start in range(1, len(light) - length):
            inner, ends = light[start : start + length], (light[start - 1], light[start + length])
            found = max(found, min(inner) - max(ends), min(ends) - max(inner))
    return found


def stillness(pixels_PHWC: Pixels) -> float:
    """The largest change between two frames, of 1; a single frame is no clip and counts as moving."""
    steps = _steps(pixels_PHWC)
    return float(steps.max()) if len(steps) else 1.0


def blackness(pixels_PHWC: Pixels) -> float:
    """The share of frames that are black."""
    luma_PHW = pixels_PHWC @ np.array([0.2126, 0.7152, 0.0722]) / 255
    return float(((luma_PHW < BLACK_PIXEL).mean(axis=(1, 2)) >= BLACK_SHARE).mean())


def colours(pixels_PHWC: Pixels, frames: int) -> tuple[tuple[float, float, float], ...]:
    """The mean colour of each of so many latent frames, in CIELAB (D65), to two places."""
    parts = np.array_split(LINEAR[glance(pixels_PHWC)].mean(axis=(1, 2)), frames)
    rows = (_lab(part.mean(axis=0)).round(2).tolist() for part in parts)
    return tuple((row[0], row[1], row[2]) for row in rows)


def _steps(pixels_PHWC: Pixels) -> NDArray[np.float64]:
    """Mean absolute difference of each two neighbouring frames, of 1: (P - 1,)."""
    return np.array([_difference(one, other) for one, other in pairwise(pixels_PHWC)])


def _difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean() / 255)


def _lab(linear_3: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB of a colour in linear sRGB (CIE 15)."""
    ratio = TO_XYZ @ linear_3 / WHITE
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
