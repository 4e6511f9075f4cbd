"""Hard cuts that motion hides from the change of the pixels alone.

Colour histograms change at a cut, and hardly under motion. At a cut between a calm and a moving shot, the pixels change
much more than within the calm shot.

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
CALM_CHANGE = 20.0  # of 255: mean difference of the pixels at a cut between a calm and a moving shot
CALM = 0.2  # of it: the largest difference of the two frames on the calm side
MOVING_RATIO = 1.5  # of it to the largest difference of the two frames on the moving side


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
    inner = range(3, len(distances_P) - 2)
    return [number for number in inner if _recoloured(number, changes_P, distances_P) or _after_calm(number, changes_P)]


def _recoloured(number: int, changes_P: NDArray[np.float64], distances_P: NDArray[np.float64]) -> bool:
    if changes_P[number] < MIN_CHANGE or distances_P[number] < MIN_DISTANCE:
        return False
    near = distances_P[[number - 2, number - 1, number + 1, number + 2]]
    return bool(distances_P[number] >= MIN_RATIO * near.mean())


def _after_calm(number: int, changes_P: NDArray[np.float64]) -> bool:
    """Whether the change at a frame is far above that of its calm side, and above that of its moving side.

    A flash is excluded: its end changes the picture as much as its start.
    """
    change = changes_P[number]
    if change < CALM_CHANGE:
        return False
    calm, moving = sorted((changes_P[number - 2 : number].max(), changes_P[number + 1 : number + 3].max()))
    return bool(calm <= CALM * change and change >= MOVING_RATIO * moving)
