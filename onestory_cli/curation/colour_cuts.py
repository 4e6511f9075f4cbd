"""Hard cuts by colour histograms: they change at a cut, and hardly under motion that hides the cut in the pixels.

Shape letters: P frames, H W pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
SIDE = 64  # pixels: frames are scaled to a square of this side
# tuned on the films of python -m tests.benchmarks.curation faults; with --shift 4000 they are measured on others
MIN_CHANGE = 10.0  # of 255: mean difference of the pixels
MIN_DISTANCE = 0.12  # share of the pixels that change their colour, of 8 x 8 x 8 colours
MIN_RATIO = 2.5  # of the distance to that of the two frames before and after


class ColourCuts:
    """Finds the hard cuts of one video. Stores two numbers for each frame."""

    def __init__(self) -> None:
        self._last: tuple[Pixels, NDArray[np.float64]] | None = None
        self._changes: list[float] = []
        self._distances: list[float] = []

    def push(self, pixels_HWC: Pixels) -> None:
        """Take the next frame."""
        import cv2

        small = np.asarray(cv2.resize(pixels_HWC, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
        counts = _histogram(small)
        if self._last is None:
            self._changes, self._distances = [0.0], [0.0]
        else:
            before, old = self._last
            self._changes.append(float(np.abs(small.astype(np.int16) - before).mean()))
            self._distances.append(float(np.abs(counts - old).sum() / 2))
        self._last = small, counts

    def finish(self) -> list[int]:
        """Return the first frame of each shot after a cut."""
        return cuts_of(np.array(self._changes), np.array(self._distances))


def _histogram(pixels_HWC: Pixels) -> NDArray[np.float64]:
    red, green, blue = np.moveaxis(pixels_HWC >> 5, -1, 0).astype(np.int64)
    return np.bincount((red * 64 + green * 8 + blue).ravel(), minlength=512) / red.size


def cuts_of(changes_P: NDArray[np.float64], distances_P: NDArray[np.float64]) -> list[int]:
    """Return the frames that differ from the one before much more than their neighbours do."""
    found = (changes_P >= MIN_CHANGE) & (distances_P >= MIN_DISTANCE)
    return [
        number
        for number in map(int, np.flatnonzero(found))
        if 2 < number < len(distances_P) - 2
        and distances_P[number] >= MIN_RATIO * distances_P[[number - 2, number - 1, number + 1, number + 2]].mean()
    ]
