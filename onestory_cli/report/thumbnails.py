"""Thumbnails of visible frames for a terminal, larger for finer levels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from onestory_cli.console.pictures import TerminalPicture, picture_lines
from onestory_cli.report.data import Frame, ShotMemory
from onestory_cli.report.lines import NAME, Line
from onestory_cli.report.pictures import fitted, source_pictures

if TYPE_CHECKING:
    import numpy as np

_LARGEST, _SMALLEST = 24, 8  # width in characters


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
        items = [_picture(frame, ranks[id(frame)], shown[frame.source], size) for frame in frames]
        yield from picture_lines(items, width)


def _heading(frame: Frame) -> str:
    return f"{frame.level}, {frame.tokens} token{'' if frame.tokens == 1 else 's'} each" if frame.place else "not taken"


def _picture(frame: Frame, rank: int, pictures_THW3: np.ndarray, size: int) -> TerminalPicture:
    label = f"{rank} {frame}" if frame.place else str(frame)
    return TerminalPicture(label=label, pixels_HW3=fitted(pictures_THW3[frame.index], size, even=True))
