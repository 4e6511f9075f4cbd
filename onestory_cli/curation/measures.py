"""What the filters read of a shot: numbers from small frames of all of it, and from a few larger ones.

Shape letters: P frames, H W pixels.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onestory_cli.curation.overlays import LOGO_SIDE, find_logo, text_share
from onestory_cli.media.clip_faults import GREY_SIDE, measure
from onestory_cli.quality import BLACK, FLASH, FROZEN

Grey = NDArray[np.uint8]
MEASURED = 12 * 60  # frames of a shot that are measured, from its beginning; longer shots are trimmed or rejected
SHAKEN = 240  # frames of a shot whose movement is measured
MAX_SAMPLES = 4000  # pictures of 160x90 in memory, 58 MB; longer videos keep every second one, and so on
MAX_PICTURES = 48  # shots of a video in which a logo is looked for


class Overlays:
    """Text and logo of the sampled frames of a video. Memory holds at most `MAX_SAMPLES` small pictures of them."""

    def __init__(self) -> None:
        self._every = 1
        self._numbers: list[int] = []
        self._texts: list[float] = []
        self._pictures: dict[int, Grey] = {}

    def push(self, number: int, grey_HW: Grey) -> None:
        """Take a sampled frame, counted from 0."""
        text = text_share(grey_HW)
        if len(self._numbers) % self._every == 0 and not text:  # subtitles stay too, but are not a logo
            self._pictures[number] = _shrink(grey_HW, LOGO_SIDE / max(grey_HW.shape))
        if len(self._pictures) > MAX_SAMPLES:
            self._pictures = {key: self._pictures[key] for key in [*self._pictures][::2]}
            self._every *= 2
        self._numbers.append(number)
        self._texts.append(text)

    def measures(self, ranges: Sequence[tuple[int, int]]) -> list[dict[str, float]]:
        """Return `text` and `watermark` of each range of frames, the last excluded."""
        seen = [self._picture_in(*part) for part in ranges]
        logo = find_logo(_spread([picture for picture in seen if picture is not None], MAX_PICTURES))
        shares = [logo.share(picture) if logo and picture is not None else 0.0 for picture in seen]
        # in most shots means in all: a bright sky can hide a logo. In half of them it is a part of the scenes
        usual = median_low(shares) if shares else 0.0
        shares = [max(share, usual) if usual else 0.0 for share in shares]
        return [
            {"text": round(self._text_in(*part), 5), "watermark": round(share, 5)}
            for part, share in zip(ranges, shares, strict=True)
        ]

    def _text_in(self, first: int, last: int) -> float:
        found = self._texts[bisect_left(self._numbers, first) : bisect_left(self._numbers, last)]
        return float(np.mean(lasting(found))) if found else 0.0

    def _picture_in(self, first: int, last: int) -> Grey | None:
        return next((self._pictures[number] for number in range(first, last) if number in self._pictures), None)


def lasting(texts: Sequence[float]) -> list[float]:
    """Return how much of the text of each sample is also in the sample before or after it; a single one stays.

    Moving shapes look like a line of text in one sample; text is shown for longer than the half second between two.
    """
    if len(texts) < 2:
        return [*texts]
    both = [min(pair) for pair in pairwise(texts)]
    return [max(pair) for pair in zip([0.0, *both], [*both, 0.0], strict=True)]


def _spread(items: Sequence[Grey], count: int) -> list[Grey]:
    """At most `count` of the items, evenly spread."""
    return [items[index * len(items) // count] for index in range(count)] if len(items) > count else [*items]


def change(one_HWC: NDArray[np.uint8], other_HWC: NDArray[np.uint8]) -> float:
    """Return the mean difference of two frames, 0 to 1."""
    import cv2

    return float(cv2.absdiff(one_HWC, other_HWC).mean() / 255)


def measures_of(greys: Sequence[Grey], changes: Sequence[float]) -> dict[str, float]:
    """Return the measures of a shot by name: those of a take's checks, the mean change between frames, and shaking.

    `changes` has the change of each frame from the one before, at a size that keeps small movements: the default of
    freezedetect, with which `frozen` is compared, is for whole frames. The first one is not read.
    """
    small_PHWC = np.repeat(np.stack(greys)[..., None], 3, axis=-1)
    numbers = measure(small_PHWC)
    steps = np.abs(np.diff(small_PHWC[..., 0].astype(np.int16), axis=0)).mean() / 255 if len(greys) > 1 else 0.0
    numbers[FROZEN] = max(changes[1:], default=1.0)
    found = {name: round(numbers[name], 5) for name in (BLACK, FROZEN, FLASH)}
    return {**found, "motion": round(float(steps), 5), "shaking": round(shaking(greys), 5)}


def shaking(greys: Sequence[Grey]) -> float:
    """Return how far the picture jumps to and fro: median change of its movement between frames, of its height."""
    import cv2

    if len(greys) < 4:
        return 0.0
    frames = [grey.astype(np.float32) for grey in greys[:SHAKEN]]
    window = cv2.createHanningWindow(frames[0].shape[::-1], cv2.CV_32F)
    moves = np.array([cv2.phaseCorrelate(one, other, window)[0] for one, other in pairwise(frames)])
    return float(np.median(np.linalg.norm(np.diff(moves, axis=0), axis=1)) / min(frames[0].shape))


def small_grey(pixels_HWC: NDArray[np.uint8]) -> Grey:
    """Return a frame in grey, small enough that grain averages out."""
    return _shrink(np.asarray(Image.fromarray(pixels_HWC).convert("L")), GREY_SIDE / min(pixels_HWC.shape[:2]))


def _shrink(grey_HW: Grey, scale: float) -> Grey:
    height, width = grey_HW.shape
    size = max(1, round(width * min(1.0, scale))), max(1, round(height * min(1.0, scale)))
    return np.asarray(Image.fromarray(grey_HW).resize(size, Image.Resampling.BOX))
