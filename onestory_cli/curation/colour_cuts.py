"""Hard cuts that motion hides from the change of the pixels alone.

Colour histograms change at a cut, and hardly under motion. At a cut between a calm and a moving shot, the pixels change
much more than within the calm shot. Motion explains most changes of a pixel by its neighbours, a cut does not.

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
SUDDEN_RATIO = 3.0  # that of PySceneDetect's AdaptiveDetector, here to the largest and not the mean of the neighbours
SUDDEN_NEAR = 4  # frames on either side: animation may hold a picture for as many
SUDDEN_CHANGE = 5.0  # of 255: mean difference of the pixels
UNEXPLAINED_CHANGE = 2.0  # of 255: mean difference of the pixels that movement by one pixel of 64 does not explain


class ColourCuts:
    """Finds the hard cuts of one video. Stores three numbers for each frame."""

    def __init__(self) -> None:
        self._last: tuple[Pixels, NDArray[np.float64]] | None = None
        self._changes: list[float] = []
        self._distances: list[float] = []
        self._unexplained: list[float] = []

    def push(self, pixels_HWC: Pixels) -> None:
        """Take the next frame."""
        import cv2

        small = np.asarray(cv2.resize(pixels_HWC, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
        counts = _histogram(small)
        if self._last is None:
            self._changes, self._distances, self._unexplained = [0.0], [0.0], [0.0]
        else:
            before, old = self._last
            self._changes.append(float(np.abs(small.astype(np.int16) - before).mean()))
            self._distances.append(float(np.abs(counts - old).sum() / 2))
            self._unexplained.append(unexplained_change(before, small))
        self._last = small, counts

    def finish(self) -> list[int]:
        """Return the first frame of each shot after a cut."""
        changes, unexplained = np.array(self._changes), np.array(self._unexplained)
        sudden = sudden_cuts(changes, SUDDEN_CHANGE) | sudden_cuts(unexplained, UNEXPLAINED_CHANGE)
        return sorted(sudden.union(cuts_of(changes, np.array(self._distances))))


def _histogram(pixels_HWC: Pixels) -> NDArray[np.float64]:
    red, green, blue = np.moveaxis(pixels_HWC >> 5, -1, 0).astype(np.int64)
    return np.bincount((red * 64 + green * 8 + blue).ravel(), minlength=512) / red.size


def unexplained_change(one_HWC: Pixels, other_HWC: Pixels) -> float:
    """Return the mean difference of pixels from the range of their neighbours in the other picture, 0 to 255."""
    return max(_outside(one_HWC, other_HWC), _outside(other_HWC, one_HWC))


def _outside(pixels_HWC: Pixels, other_HWC: Pixels) -> float:
    import cv2

    near = np.ones((3, 3), np.uint8)
    below = cv2.subtract(cv2.erode(other_HWC, near), pixels_HWC)
    above = cv2.subtract(pixels_HWC, cv2.dilate(other_HWC, near))
    return float(np.maximum(below, above).mean())


def sudden_cuts(changes_P: NDArray[np.float64], smallest: float) -> set[int]:
    """Return the frames with a change of at least `smallest` that is far above that of each frame near them."""
    found = set()
    for number in np.flatnonzero(changes_P >= smallest).tolist():
        before, after = changes_P[max(1, number - SUDDEN_NEAR) : number], changes_P[number + 1 :][:SUDDEN_NEAR]
        if min(len(before), len(after)) >= 2 and changes_P[number] >= SUDDEN_RATIO * max(before.max(), after.max()):
            found.add(number)
    return found


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
