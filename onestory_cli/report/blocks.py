"""Small pictures in a terminal: two pixels in every character, the upper half block in two colours.

Shapes: H W 3, one picture of so many pixels as characters in a line; uint8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onestory_cli.report.lines import DIM, Line, Part

if TYPE_CHECKING:
    import numpy as np

_GAP = 2


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture (H, W, 3) uint8, of an even height, and the text under it."""

    label: str
    pixels_HW3: np.ndarray

    @property
    def width(self) -> int:
        return max(int(self.pixels_HW3.shape[1]), len(self.label))


def pictures(items: Sequence[Picture], width: int) -> Iterator[Line]:
    """The pictures side by side, as many as fit into `width` characters, each over its label."""
    row: list[Picture] = []
    for item in items:
        if row and sum(picture.width + _GAP for picture in row) + item.width > width:
            yield from _row(row)
            row = []
        row.append(item)
    yield from _row(row)


def _row(items: Sequence[Picture]) -> Iterator[Line]:
    height = max((len(item.pixels_HW3) // 2 for item in items), default=0)
    for line in range(height):
        yield tuple(part for item in items for part in _line(item, line))
    if items:
        yield tuple((item.label.ljust(item.width + _GAP), DIM) for item in items)


def _line(item: Picture, line: int) -> Iterator[Part]:
    rows = item.pixels_HW3[2 * line : 2 * line + 2]
    if not len(rows):
        yield (" " * (item.width + _GAP), "")
        return
    for upper, lower in zip(*rows.tolist(), strict=True):
        yield ("▀", f"rgb({','.join(map(str, upper))}) on rgb({','.join(map(str, lower))})")
    yield (" " * (item.width + _GAP - item.pixels_HW3.shape[1]), "")
