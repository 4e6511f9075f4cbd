"""Thumbnails of visible frames for a terminal, larger for finer levels.

A character shows two pixels: the upper half block in two colours. Shapes: H W 3, one picture, uint8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from onestory_cli.report.data import Frame, ShotMemory
from onestory_cli.report.lines import DIM, NAME, Line, Part
from onestory_cli.report.pictures import fitted, source_pictures

if TYPE_CHECKING:
    import numpy as np

_LARGEST, _SMALLEST = 24, 8  # width in characters
_GAP = 2


@dataclass(frozen=True, kw_only=True)
class TerminalPicture:
    """A picture (H, W, 3) uint8 of even height, and its label."""

    label: str
    pixels_HW3: np.ndarray

    @property
    def width(self) -> int:
        return max(int(self.pixels_HW3.shape[1]), len(self.label))


def thumbnail_lines(memory: ShotMemory, *, width: int) -> Iterator[Line]:
    """Every visible frame, by level and rank, except frames whose source is missing."""
    shown = {source.name: source_pictures(source) for source in memory.sources if source.file}
    ranks = {id(frame): rank for rank, frame in enumerate(memory.ranked, start=1)}
    visible = (frame for frame in memory.ranked if frame.source in shown)
    by_level = groupby(visible, key=lambda frame: (bool(frame.place), frame.tokens))  # a level may cost no tokens
    for number, ((taken, _), group) in enumerate(by_level):
        frames = list(group)
        size = max(_SMALLEST, _LARGEST - 6 * number) if taken else _SMALLEST
        yield ()
        yield ((_heading(frames[0]), NAME),)
        yield from pictures([_picture(frame, ranks[id(frame)], shown[frame.source], size) for frame in frames], width)


def _heading(frame: Frame) -> str:
    return f"{frame.level}, {frame.tokens} token{'' if frame.tokens == 1 else 's'} each" if frame.place else "not taken"


def _picture(frame: Frame, rank: int, pictures_THW3: np.ndarray, size: int) -> TerminalPicture:
    label = f"{rank} {frame}" if frame.place else str(frame)
    return TerminalPicture(label=label, pixels_HW3=fitted(pictures_THW3[frame.index], size, even=True))


def pictures(items: Sequence[TerminalPicture], width: int) -> Iterator[Line]:
    """Lay out pictures side by side in rows of at most `width` characters, each over its label."""
    row: list[TerminalPicture] = []
    for item in items:
        if row and sum(picture.width + _GAP for picture in row) + item.width > width:
            yield from _row(row)
            row = []
        row.append(item)
    yield from _row(row)


def _row(items: Sequence[TerminalPicture]) -> Iterator[Line]:
    height = max((len(item.pixels_HW3) // 2 for item in items), default=0)
    for line in range(height):
        yield tuple(part for item in items for part in _line(item, line))
    if items:
        yield tuple((item.label.ljust(item.width + _GAP), DIM) for item in items)


def _line(item: TerminalPicture, line: int) -> Iterator[Part]:
    rows = item.pixels_HW3[2 * line : 2 * line + 2]
    if not len(rows):
        yield (" " * (item.width + _GAP), "")
        return
    for upper, lower in zip(*rows.tolist(), strict=True):
        yield ("▀", f"rgb({','.join(map(str, upper))}) on rgb({','.join(map(str, lower))})")
    yield (" " * (item.width + _GAP - item.pixels_HW3.shape[1]), "")
