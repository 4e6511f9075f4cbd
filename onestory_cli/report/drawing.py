"""Geometry of the drawings of the page: arcs over the film, and flows from sources to frames.

Units are those of the viewBox; y grows downwards. `curves.py` has the curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onestory_cli.report.data import FilmReport, Frame, MemorySource, ShotMemory, ShotReport

SLOT = 100  # width of one shot in arcs and curves
ARCS_HEIGHT = 120

FLOW_WIDTH = 400
_SOURCE_SIZE, _SOURCE_PITCH = 64, 92  # a source's picture; from one source to the next
_FRAME_SIZES = (60, 44, 30)  # of the finest level, the next, all others
_FRAME_GAP = 10
_FRAME_CENTRE = 196  # centre line of the frames
_SCORE_LEFT, _SCORE_WIDTH = 238, 156


@dataclass(frozen=True, kw_only=True)
class Arc:
    """Frames that a shot selected from an earlier one: an arc between their slots; `weight` is its width."""

    source: ShotReport
    shot: ShotReport
    frames: int
    tokens: int
    path: str
    weight: float


@dataclass(frozen=True, kw_only=True)
class SourceSpot:
    """A source of a flow and the top left corner of its picture; `poster` is its most relevant selected frame."""

    source: MemorySource
    poster: Frame
    x: int
    y: int
    size: int


@dataclass(frozen=True, kw_only=True)
class FrameSpot:
    """A selected frame of a flow: its square, the line to it, and the bar of its score."""

    frame: Frame
    x: int
    y: int
    size: int
    path: str
    weight: float
    bar: int

    @property
    def middle(self) -> int:
        return self.y + self.size // 2


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Drawing from the sources to the selected frames, by rank."""

    height: int
    sources: tuple[SourceSpot, ...]
    frames: tuple[FrameSpot, ...]
    width: int = FLOW_WIDTH
    score_left: int = _SCORE_LEFT
    score_width: int = _SCORE_WIDTH

    def frames_of(self, source: MemorySource) -> list[FrameSpot]:
        """The frames of a source, by rank."""
        return [spot for spot in self.frames if spot.frame.source == source.name]


def arcs(film: FilmReport) -> tuple[Arc, ...]:
    """An arc for every pair of shots where the later one selected frames of the earlier one."""
    places = {shot.id: place for place, shot in enumerate(film.shots)}
    pairs = [(shot, source) for shot in film.shots for source in shot.memory.sources if source.taken]
    return tuple(
        _arc(film.shots[places[source.name]], shot, source, places) for shot, source in pairs if source.name in places
    )


def _arc(earlier: ShotReport, shot: ShotReport, source: MemorySource, places: dict[str, int]) -> Arc:
    start, end = (SLOT * (places[item.id] + 0.5) for item in (earlier, shot))
    reach = abs(places[shot.id] - places[earlier.id]) / max(1, len(places) - 1)
    rise = 0.3 + 0.66 * reach  # of the drawing's height
    top = ARCS_HEIGHT * (1 - rise / 0.75)  # a cubic rises to 3/4 of the way to its control points
    share = source.tokens / max(1, shot.memory.tokens)
    return Arc(
        source=earlier,
        shot=shot,
        frames=len(source.taken),
        tokens=source.tokens,
        path=f"M{start:g} {ARCS_HEIGHT}C{start:g} {top:.1f} {end:g} {top:.1f} {end:g} {ARCS_HEIGHT}",
        weight=round(1 + 5 * share, 1),
    )


def flow(memory: ShotMemory) -> Flow | None:
    """The drawing of the memory of a shot; None for an empty selection."""
    if not memory.taken:
        return None
    used = sorted((source for source in memory.sources if source.taken), key=_mean_place)  # fewer crossings
    sizes = _sizes(memory.taken)
    frames_height = sum(sizes) + _FRAME_GAP * (len(sizes) - 1)
    height = max(frames_height, _SOURCE_PITCH * len(used)) + 4
    spots = _source_spots(used, height)
    ends = {spot.source.name: (spot.x + spot.size, spot.y + spot.size // 2) for spot in spots}
    return Flow(height=height, sources=spots, frames=_frame_spots(memory, sizes, (height - frames_height) / 2, ends))


def _mean_place(source: MemorySource) -> float:
    return sum(frame.place or 0 for frame in source.taken) / len(source.taken)


def _sizes(frames: Sequence[Frame]) -> list[int]:
    """Size of each frame, by level; levels are ordered by tokens."""
    prices = sorted({frame.tokens for frame in frames}, reverse=True)
    return [_FRAME_SIZES[min(prices.index(frame.tokens), len(_FRAME_SIZES) - 1)] for frame in frames]


def _source_spots(sources: Sequence[MemorySource], height: int) -> tuple[SourceSpot, ...]:
    pitch = height / len(sources)
    return tuple(
        SourceSpot(
            source=source,
            poster=min(source.taken, key=lambda frame: frame.place or 0),
            x=2,
            y=round(pitch * (number + 0.5) - _SOURCE_SIZE / 2 - 10),  # room for its name below
            size=_SOURCE_SIZE,
        )
        for number, source in enumerate(sources)
    )


def _frame_spots(
    memory: ShotMemory, sizes: Sequence[int], top: float, ends: dict[str, tuple[int, int]]
) -> tuple[FrameSpot, ...]:
    low, high = memory.score_range
    spots = []
    for frame, size in zip(memory.taken, sizes, strict=True):
        left, middle = round(_FRAME_CENTRE - size / 2), round(top) + size // 2
        start_x, start_y = ends[frame.source]
        bend = (start_x + left) // 2
        share = 0.0 if frame.score is None or high == low else (frame.score - low) / (high - low)
        spots.append(
            FrameSpot(
                frame=frame,
                x=left,
                y=round(top),
                size=size,
                path=f"M{start_x} {start_y}C{bend} {start_y} {bend} {middle} {left} {middle}",
                weight=round(size / 12, 1),
                bar=round(share * _SCORE_WIDTH),
            )
        )
        top += size + _FRAME_GAP
    return tuple(spots)
