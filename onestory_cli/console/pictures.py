"""Pictures in a terminal, side by side over their labels.

A character shows two pixels: the upper half block in two colours. Shapes: H W 3, one picture, uint8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Part = tuple[str, str]  # a text and its style
MAX_SHAPE = 2.25  # width to height of a preview in pixels; wider ones are less high
_GAP = 2  # columns between pictures
_LABEL = "dim"


@dataclass(frozen=True, kw_only=True)
class TerminalPicture:
    """A picture (H, W, 3) uint8 of even height, and its label."""

    label: str
    pixels_HW3: np.ndarray

    @property
    def width(self) -> int:
        return max(int(self.pixels_HW3.shape[1]), len(self.label))


def preview_picture(pixels_HW3: np.ndarray, label: str, *, rows: int) -> TerminalPicture:
    """Scale a frame (H, W, 3) to a preview of at most `rows` lines of characters."""
    import numpy as np
    from PIL import Image

    height, width = pixels_HW3.shape[:2]
    scale = 2 * rows * min(MAX_SHAPE / width, 1 / height)
    size = max(1, round(width * scale)), 2 * max(1, round(height * scale / 2))
    small_HW3 = np.asarray(Image.fromarray(pixels_HW3).resize(size, Image.Resampling.BOX))
    return TerminalPicture(label=label, pixels_HW3=small_HW3)


def picture_lines(items: Sequence[TerminalPicture], width: int) -> Iterator[tuple[Part, ...]]:
    """Lay out pictures side by side in rows of at most `width` characters, each over its label."""
    row: list[TerminalPicture] = []
    for item in items:
        if row and sum(picture.width + _GAP for picture in row) + item.width > width:
            yield from _row(row)
            row = []
        row.append(item)
    yield from _row(row)


def _row(items: Sequence[TerminalPicture]) -> Iterator[tuple[Part, ...]]:
    height = max((len(item.pixels_HW3) // 2 for item in items), default=0)
    for line in range(height):
        yield tuple(part for item in items for part in _line(item, line))
    if items:
        yield tuple((item.label.ljust(item.width + _GAP), _LABEL) for item in items)


def _line(item: TerminalPicture, line: int) -> Iterator[Part]:
    rows = item.pixels_HW3[2 * line : 2 * line + 2]
    if not len(rows):
        yield (" " * (item.width + _GAP), "")
        return
    for upper, lower in zip(*rows.tolist(), strict=True):
        yield ("▀", f"rgb({','.join(map(str, upper))}) on rgb({','.join(map(str, lower))})")
    yield (" " * (item.width + _GAP - item.pixels_HW3.shape[1]), "")
