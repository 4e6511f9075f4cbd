"""Mean colour of frames in CIELAB (D65) and differences of colours.

Colours are averaged in linear light, as an eye does at a distance.
Shape letters: P pixel frames, T latent frames, H W.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 128  # pixels; larger frames are sampled

_CODES = np.arange(256) / 255
_LINEAR = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4)  # sRGB, IEC 61966-2-1
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = _TO_XYZ.sum(axis=1)

Pixels = NDArray[np.uint8]
Lab = NDArray[np.float64]


def glance(pixels_PHWC: Pixels) -> Pixels:
    """Subsample frames until their shorter side is less than twice `SIDE`; no averaging."""
    stride = max(1, min(pixels_PHWC.shape[1:3]) // SIDE)
    return pixels_PHWC[:, ::stride, ::stride]


def colour(pixels_PHWC: Pixels) -> Lab:
    """The mean colour of frames (3,): lightness 0 .. 100, green to red, blue to yellow."""
    return _lab(_LINEAR[glance(pixels_PHWC)].mean(axis=(0, 1, 2)))


def colours(pixels_PHWC: Pixels, frames: int) -> tuple[tuple[float, float, float], ...]:
    """The mean colour of each latent frame, rounded to two decimals."""
    rows = (colour(part).round(2).tolist() for part in np.array_split(pixels_PHWC, frames))
    return tuple((row[0], row[1], row[2]) for row in rows)


def colour_difference(one: Lab, other: Lab) -> float:
    """CIE76 difference: about 2 is just visible, 10 is obvious."""
    return float(np.linalg.norm(one - other))


def drift(pixels_PHWC: Pixels) -> float:
    """Colour difference of the last quarter of a clip from the first."""
    quarter = max(1, len(pixels_PHWC) // 4)
    return colour_difference(colour(pixels_PHWC[:quarter]), colour(pixels_PHWC[-quarter:]))


def _lab(linear_3: Lab) -> Lab:
    """CIELAB of a colour in linear sRGB (CIE 15)."""
    ratio = _TO_XYZ @ linear_3 / _WHITE
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
