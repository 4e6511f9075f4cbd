"""Lines of text over a picture, and logos over a whole video, by OpenCV's filters. No network.

Text: a top-hat transform keeps thin bright or dark strokes; regions in a row, of about one height and of different
widths, are letters. Logo: the median gradient over shots that are unlike each other keeps what is in all of them, as in
Dekel et al., "On the Effectiveness of Visible Watermarks" (CVPR 2017). The numbers below are ours.
They were chosen on the footage of `tests/benchmarks/curation.py`, which also measures them.

Shape letters: H W pixels, N regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]
STROKE = 0.08  # of the height: strokes of letters are thinner
LETTER = (0.02, 0.2)  # of the height: how tall a letter is
INKS = ((60, 200), (90, 225))  # of 255, for white text and mirrored for black: contrast to what is around, brightness
MIN_LETTERS = 6  # in a line: eyes, ears and windows also come in rows, but of fewer
SOLID = 0.78  # share of their boxes that regions fill on average: letters fill less
UNEVEN = 0.15  # relative spread of the widths of letters; windows and fences are even
WIDE = 3.0  # a line is at least this many times as wide as tall
LOGO_SIDE = 160  # pixels of the longer side of the pictures in which logos are looked for
EDGE = 12.0  # of 255: median gradient of a logo
UNLIKE = 0.5  # correlation of gradients below which two pictures count as different
MIN_PICTURES = 5  # different pictures that a logo must be in, so that a scene is not taken for one
PRESENT = 0.5  # of the edges of a logo: with fewer of them a picture does not have it
LOGO = (0.02, 0.06)  # of a side at least, and of the picture at most
LARGEST_RATIO = 2.0  # times the edges of the largest region elsewhere: scenes leave scattered edges
OFF_CENTRE = 0.2  # of a side: nearer to the middle of either side it is not in a corner, where station logos are


def text_share(grey_HW: Grey) -> float:
    """Return the share of the picture that lines of text cover, 0..1."""
    import cv2

    side = max(3, round(STROKE * grey_HW.shape[0])) | 1
    found = 0.0
    for operation, levels in ((cv2.MORPH_TOPHAT, grey_HW), (cv2.MORPH_BLACKHAT, 255 - grey_HW)):
        hat = cv2.morphologyEx(grey_HW, operation, np.ones((side, side), np.uint8))
        for contrast, level in INKS:
            found = max(found, _lines((hat > contrast) & (levels >= level)))
    return found


def _lines(ink_HW: NDArray[np.bool_]) -> float:
    """The share of the picture in boxes around rows of letters."""
    import cv2

    height, width = ink_HW.shape
    count, _, stats, _ = cv2.connectedComponentsWithStats(ink_HW.astype(np.uint8))
    boxes = stats[1:count].astype(np.float32)
    _, _, w, h, pixels = boxes.T
    sized = (h >= LETTER[0] * height) & (h <= LETTER[1] * height) & (w <= 3 * h) & (pixels >= 0.15 * w * h)
    boxes = boxes[sized]
    if len(boxes) < MIN_LETTERS:
        return 0.0
    rows = (boxes[row] for row in _rows(boxes) if len(row) >= MIN_LETTERS)
    return float(sum(map(_line_area, rows)) / (height * width))


def _rows(boxes_N: Floats) -> list[list[int]]:
    """Groups of regions (left, top, width, height) that are neighbours in a row."""
    left, top, w, h = boxes_N[:, 0], boxes_N[:, 1], boxes_N[:, 2], boxes_N[:, 3]
    small, large = np.minimum.outer(h, h), np.maximum.outer(h, h)
    overlap = np.minimum.outer(top + h, top + h) - np.maximum.outer(top, top)
    gap = np.maximum.outer(left, left) - np.minimum.outer(left + w, left + w)
    near = (overlap >= 0.6 * small) & (large <= 2.2 * small) & (gap <= large)
    rest, rows = set(range(len(boxes_N))), []
    while rest:
        row, queue = [], [rest.pop()]
        while queue:
            row.append(queue.pop())
            new = rest.intersection(np.flatnonzero(near[row[-1]]).tolist())
            rest -= new
            queue += new
        rows.append(row)
    return rows


def _line_area(boxes_N: Floats) -> float:
    """The area of a row of letters in pixels; 0 for a row that does not have the shape of a line of text."""
    left, top, w, h, pixels = boxes_N[:, :5].T
    width, height = float((left + w).max() - left.min()), float((top + h).max() - top.min())
    not_letters = w.std() < UNEVEN * w.mean() or (pixels / (w * h)).mean() > SOLID
    return 0.0 if not_letters or height > 2.2 * np.median(h) or width < WIDE * height else width * height


@dataclass(frozen=True)
class Logo:
    """Where a video has a logo, and the gradient (2, H, W) of it."""

    region_HW: NDArray[np.bool_]
    gradient_2HW: Floats

    def share(self, grey_HW: Grey) -> float:
        """Return the share of the picture that edges of the logo cover here; 0 where it is not."""
        along = (_gradient(grey_HW) * self.gradient_2HW).sum(0)
        seen = (along >= 0.5 * (self.gradient_2HW**2).sum(0)) & self.region_HW
        return float(seen.mean()) if seen.sum() >= PRESENT * self.region_HW.sum() else 0.0


def find_logo(greys: Sequence[Grey]) -> Logo | None:
    """Return the logo over pictures of different shots, (H, W) each; None if it could be part of the scenes."""
    import cv2

    different = _unlike([_gradient(grey) for grey in greys])
    if len(different) < MIN_PICTURES:
        return None
    median = np.median(different, axis=0).astype(np.float32)
    stays = np.hypot(*median) >= EDGE
    grown = cv2.morphologyEx(stays.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, labels, boxes, centres = cv2.connectedComponentsWithStats(grown)
    sizes = np.bincount(labels[stays], minlength=count)
    logo = [number for number in range(1, count) if _is_logo(boxes[number], centres[number], stays.shape)]
    others = np.delete(sizes, [0, *logo]).max(initial=0)
    region = stays & np.isin(labels, logo)
    return Logo(region, median) if logo and sizes[logo].max() >= LARGEST_RATIO * others else None


def _is_logo(box: NDArray[np.int32], centre: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    """Whether a region (left, top, width, height, pixels) is compact and in a corner."""
    height, width = shape
    _, _, w, h, pixels = map(int, box)
    sized = w >= LOGO[0] * width and h >= LOGO[0] * height and w * h <= LOGO[1] * width * height
    aside = abs(centre[0] / width - 0.5) > OFF_CENTRE and abs(centre[1] / height - 0.5) > OFF_CENTRE
    return sized and aside and pixels >= 0.3 * w * h


def _unlike(gradients: Sequence[Floats]) -> list[Floats]:
    """Those that are unlike all before: shots of one place would make a logo of its horizon."""
    kept: list[Floats] = []
    for item in gradients:
        length = float(np.linalg.norm(item)) + 1e-6
        if all(float((item * other).sum()) < UNLIKE * length * float(np.linalg.norm(other)) for other in kept):
            kept.append(item)
    return kept


def _gradient(grey_HW: Grey) -> Floats:
    import cv2

    smooth = cv2.GaussianBlur(grey_HW, (3, 3), 0)
    return np.stack([cv2.Sobel(smooth, cv2.CV_32F, *axis, ksize=3) / 4 for axis in ((1, 0), (0, 1))])
