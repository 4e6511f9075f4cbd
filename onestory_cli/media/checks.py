"""What is plainly wrong with a clip, told from its pixels alone: stray cuts, flashes, stillness, darkness, colour.

A shot is one uninterrupted take of a camera, so a hard cut inside of it is always stray. All is measured on small grey
frames: differences are means over the picture, in grey levels of 255.
Shape letters: P frames, H W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

SIDE = 24  # pixels of the shorter side: large enough for a figure, too small for grain
JUMP = 12.0  # grey levels: less is no cut and no flash, however still the clip
OUTLIER = 3.0  # times the usual change around it
BACK = 2.0  # times what is left of a flash when it is over
AROUND = 4  # pairs of frames on either side say what is usual
FLASH = 2  # frames at most: what stays longer is a cut there and a cut back
STILL = 0.25  # grey levels between two frames that are the same
DARK = 16.0  # mean grey level of a frame that shows nothing

_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = _TO_XYZ.sum(1)  # D65


@dataclass(frozen=True, kw_only=True)
class Checks:
    """cuts, flashes: the frames that begin something else, and those that stand out for a moment, counted from 0
    still: the longest run of unchanging frames, in parts of the clip; dark: the part of the frames that is black
    drift: CIE76 colour difference of the clip's last quarter to its first
    """

    cuts: tuple[int, ...]
    flashes: tuple[int, ...]
    still: float
    dark: float
    drift: float


def check_clip(pixels_PHW3: np.ndarray) -> Checks:
    """Check a clip (P, H, W, 3) uint8, P > 0."""
    greys = np.stack([_grey(frame) for frame in pixels_PHW3])
    changes = _apart(greys[:-1], greys[1:])
    flashes = _flashes(greys, changes)
    quarter = max(1, len(greys) // 4)
    return Checks(
        cuts=_cuts(changes, flashes),
        flashes=flashes,
        still=_longest(changes < STILL) / max(1, len(changes)),
        dark=float((greys.mean((1, 2)) < DARK).mean()),
        drift=colour_difference(colour(pixels_PHW3[:quarter]), colour(pixels_PHW3[-quarter:])),
    )


def colour(pixels_PHW3: np.ndarray) -> np.ndarray:
    """The mean colour of frames in CIE Lab (3,): lightness 0 .. 100, green to red, blue to yellow."""
    levels = np.asarray(pixels_PHW3, np.float64).reshape(-1, 3).mean(0) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    ratio = _TO_XYZ @ linear / _WHITE
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def colour_difference(one: np.ndarray, two: np.ndarray) -> float:
    """CIE76: about 2 can just be seen, 10 at a glance."""
    return float(np.linalg.norm(one - two))


def _grey(frame_HW3: np.ndarray) -> np.ndarray:
    height, width = frame_HW3.shape[:2]
    scale = min(1.0, SIDE / min(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(frame_HW3).convert("L").resize(size, Image.Resampling.BOX), np.float32)


def _apart(one_PHW: np.ndarray, two_PHW: np.ndarray) -> np.ndarray:
    """The mean difference (P,) of frames."""
    return np.abs(one_PHW - two_PHW).mean((-2, -1))


def _flashes(greys: np.ndarray, changes: np.ndarray) -> tuple[int, ...]:
    """Frames that are unlike those before and after them, which are like each other."""
    found: list[int] = []
    for first in range(1, len(greys) - 1):
        lengths = range(1, min(FLASH, len(greys) - 1 - first) + 1)
        length = next((item for item in lengths if _stands_out(greys, changes, first, item)), 0)
        if first - 1 not in found:
            found += range(first, first + length)
    return tuple(found)


def _stands_out(greys: np.ndarray, changes: np.ndarray, first: int, length: int) -> bool:
    after = first + length
    back = float(_apart(greys[first - 1], greys[after]))
    change = min(changes[first - 1], changes[after - 1])
    return bool(change > max(JUMP, BACK * back, OUTLIER * _usual(changes, first - 1)))


def _cuts(changes: np.ndarray, flashes: tuple[int, ...]) -> tuple[int, ...]:
    """Frames that are far from the one before, in a clip that otherwise changes little; not into or out of a flash."""
    places = range(len(changes))
    return tuple(
        place + 1
        for place in places
        if changes[place] > max(JUMP, OUTLIER * _usual(changes, place)) and not {place, place + 1} & {*flashes}
    )


def _usual(changes: np.ndarray, place: int) -> float:
    """The median change around a pair of frames, without its own."""
    around = np.r_[changes[max(0, place - AROUND) : place], changes[place + 1 : place + 1 + AROUND]]
    return float(np.median(around)) if len(around) else 0.0


def _longest(flags: np.ndarray) -> int:
    """The length of the longest run of true values."""
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest
