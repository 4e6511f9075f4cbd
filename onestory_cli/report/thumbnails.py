"""The frames that a shot sees, as pictures in a terminal: the finer the level, the larger the picture."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from onestory_cli.report.blocks import Picture, pictures
from onestory_cli.report.data import Frame, ShotMemory
from onestory_cli.report.lines import NAME, Line
from onestory_cli.report.pictures import fitted, source_pictures

if TYPE_CHECKING:
    import numpy as np

_LARGEST, _SMALLEST = 24, 8  # characters that a picture is wide


def thumbnail_lines(memory: ShotMemory, *, width: int) -> Iterator[Line]:
    """Every visible frame, by level and rank; frames whose source is gone are left out."""
    shown = {source.name: source_pictures(source) for source in memory.sources if source.file}
    ranks = {id(frame): rank for rank, frame in enumerate(memory.ranked, start=1)}
    visible = (frame for frame in memory.ranked if frame.source in shown)
    by_level = groupby(visible, key=lambda frame: (bool(frame.place), frame.tokens))  # a level may be free
    for number, ((taken, _), group) in enumerate(by_level):
        frames = list(group)
        size = max(_SMALLEST, _LARGEST - 6 * number) if taken else _SMALLEST
        yield ()
        yield ((_heading(frames[0]), NAME),)
        yield from pictures([_picture(frame, ranks[id(frame)], shown[frame.source], size) for frame in frames], width)


def _heading(frame: Frame) -> str:
    return f"{frame.level}, {frame.tokens} token{'' if frame.tokens == 1 else 's'} each" if frame.place else "not taken"


def _picture(frame: Frame, rank: int, pictures_THW3: np.ndarray, size: int) -> Picture:
    label = f"{rank} {frame}" if frame.place else str(frame)
    return Picture(label=label, pixels_HW3=fitted(pictures_THW3[frame.index], size, even=True))
