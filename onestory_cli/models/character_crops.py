"""Cut characters out of remembered pictures, so that the background and the camera do not enter another setting.

Wan's guide to VACE asks for references on white. A detector finds boxes: what is behind a character in its box stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from onestory_cli.memory.levels import CHARACTER
from onestory_cli.memory.policies import SelectedFrame
from onestory_cli.models.networks import require_downloaded

if TYPE_CHECKING:
    from onestory_cli.models.detection import Box, CharacterDetector

Picture = NDArray[np.uint8]  # (H, W, 3)
MARGIN = 0.05  # of a box's width and height: detectors cut off hair and hands
MIN_AREA = 0.01  # of the picture: a smaller character is a blur once it fills the frame
WHITE = (255, 255, 255)


class CharacterCropper:
    """Crops the pictures that a shot remembers. A detector is loaded when it is first needed."""

    def __init__(self, load: Callable[[str], CharacterDetector] | None = None) -> None:
        self._load = cache(load or load_downloaded_detector)

    def crop(
        self, pictures: Sequence[Picture], frames: Sequence[SelectedFrame], *, detector: str, looks: Sequence[str]
    ) -> list[Picture]:
        """The pictures of `frames`; those of the level `character` show only what has one of the `looks`, on white.

        A picture in which the detector finds none of them stays whole.
        """
        return [
            self._crop(picture, detector, looks) if frame.level == CHARACTER else picture
            for picture, frame in zip(pictures, frames, strict=True)
        ]

    def _crop(self, picture_HWC: Picture, detector: str, looks: Sequence[str]) -> Picture:
        found = [box for (box,) in self._load(detector).find([picture_HWC], looks) if box is not None]
        height, width = picture_HWC.shape[:2]
        large = [box for box in found if box.area >= MIN_AREA * height * width]
        return on_white(picture_HWC, large) if large else picture_HWC


def load_downloaded_detector(name: str) -> CharacterDetector:
    """Load a detector of `models.networks`, on the CPU: it needs seconds per picture, and no GPU memory.

    Raises:
        OnestoryError: M531 if it is not downloaded, M532 for damaged files.
    """
    from onestory_cli.models.detection import CPU, load_detector

    return load_detector(str(require_downloaded(name)), CPU)


def on_white(picture_HWC: Picture, boxes: Sequence[Box]) -> Picture:
    """The parts of a picture that are in a box, scaled to fit into its size, in the middle of white."""
    height, width = picture_HWC.shape[:2]
    canvas = np.full_like(picture_HWC, 255)
    corners = [_enlarged(box, height, width) for box in boxes]
    for left, top, right, bottom in corners:
        canvas[top:bottom, left:right] = picture_HWC[top:bottom, left:right]
    lefts, tops, rights, bottoms = zip(*corners, strict=True)
    part = Image.fromarray(canvas[min(tops) : max(bottoms), min(lefts) : max(rights)])
    return np.asarray(ImageOps.pad(part, (width, height), Image.Resampling.LANCZOS, color=WHITE))


def _enlarged(box: Box, height: int, width: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a box with its margin, inside the picture."""
    across, down = round((box.right - box.left) * MARGIN), round((box.bottom - box.top) * MARGIN)
    return (
        max(0, box.left - across),
        max(0, box.top - down),
        min(width, box.right + across),
        min(height, box.bottom + down),
    )
