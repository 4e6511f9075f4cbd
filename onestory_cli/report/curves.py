"""Geometry of the curves of the page: light, colour and identity over the shots of a film.

Units are those of the viewBox; y grows downwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from onestory_cli.report.data import ShotReport
from onestory_cli.report.drawing import SLOT

HEIGHT = 100
_MARGIN, _LOW_MARGIN = 8, 16  # above and below a curve; for identity curves, which are lower


@dataclass(frozen=True, kw_only=True)
class Dot:
    """The value of a shot, its position, and the mean colour of the shot as #rrggbb."""

    shot: ShotReport
    x: float
    y: float
    value: float
    colour: str


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A shot without the expected value."""

    shot: ShotReport
    x: float
    y: float


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One measure over the film, between `low` and `high`; `base` is the y of the first dot.

    frames: a line for each shot, with the value of every frame
    means: lines from dot to dot, one for every stretch without a gap
    passing: lines from dot to dot across shots that do not name the character
    """

    name: str
    about: str
    low: float
    high: float
    base: float
    frames: tuple[str, ...] = ()
    means: tuple[str, ...]
    passing: tuple[str, ...] = ()
    dots: tuple[Dot, ...]
    gaps: tuple[Gap, ...] = ()

    @property
    def drift(self) -> float:
        """Last value minus first value."""
        return self.dots[-1].value - self.dots[0].value

    def __str__(self) -> str:
        """The curve as text: "light: opening 0.42, city 0.40"."""
        labels = [(dot.x, f"{dot.shot.id} {dot.value:.2f}") for dot in self.dots]
        labels += [(gap.x, f"{gap.shot.id} not found") for gap in self.gaps]
        return f"{self.name}: {', '.join(text for _, text in sorted(labels))}"


def film_curve(
    name: str, about: str, shots: Sequence[ShotReport], values: Sequence[Sequence[float]], colours: Sequence[str]
) -> Curve:
    """Curve of a measure given per frame and shot; dots are the means of shots."""
    everything = [value for row in values for value in row]
    low, high = _range(min(everything), max(everything))
    dots = _dots(shots, [sum(row) / len(row) for row in values], colours, low, high)
    return Curve(
        name=name,
        about=about,
        low=low,
        high=high,
        base=dots[0].y,
        frames=tuple(_line(place, [_y(value, low, high) for value in row]) for place, row in enumerate(values)),
        means=(_joined(dots),),
        dots=dots,
    )


def identity_curve(
    name: str, about: str, shots: Sequence[ShotReport], values: Mapping[str, float | None], colours: Sequence[str]
) -> Curve | None:
    """Similarity of a character to its first shot: `values` by shot whose caption names it, None if not detected.

    Return None with fewer than two values to compare.
    """
    known = [values.get(shot.id) for shot in shots]
    low, high = min([0.0, *(value for value in known if value is not None)]), 1.0
    dots = _dots(shots, known, colours, low, high, _LOW_MARGIN)
    if len(values) < 2 or not dots:
        return None
    stretches = list(_stretches(shots, values, {dot.shot.id: dot for dot in dots}))
    return Curve(
        name=name,
        about=about,
        low=low,
        high=high,
        base=dots[0].y,
        means=tuple(_joined(pair) for pair, near in stretches if near),
        passing=tuple(_joined(pair) for pair, near in stretches if not near),
        dots=dots,
        gaps=tuple(
            Gap(shot=shot, x=_x(place), y=HEIGHT - _LOW_MARGIN)
            for place, shot in enumerate(shots)
            if shot.id in values and values[shot.id] is None
        ),
    )


def _stretches(
    shots: Sequence[ShotReport], values: Mapping[str, float | None], dots: Mapping[str, Dot]
) -> Iterator[tuple[tuple[Dot, Dot], bool]]:
    """Pairs of dots to join, and whether their shots are adjacent; no pair across a gap."""
    asked = [(place, shot.id) for place, shot in enumerate(shots) if shot.id in values]
    for (before, one), (after, other) in pairwise(asked):
        if one in dots and other in dots:
            yield (dots[one], dots[other]), after == before + 1


def _dots(
    shots: Sequence[ShotReport],
    values: Sequence[float | None],
    colours: Sequence[str],
    low: float,
    high: float,
    margin: int = _MARGIN,
) -> tuple[Dot, ...]:
    rows = enumerate(zip(shots, values, colours, strict=True))
    return tuple(
        Dot(shot=shot, x=_x(place), y=_y(value, low, high, margin), value=value, colour=colour)
        for place, (shot, value, colour) in rows
        if value is not None
    )


def _x(place: int) -> float:
    return SLOT * (place + 0.5)


def _y(value: float, low: float, high: float, margin: int = _MARGIN) -> float:
    return round(margin + (HEIGHT - 2 * margin) * (high - value) / (high - low), 2)


def _joined(dots: Sequence[Dot]) -> str:
    return " ".join(f"{dot.x:g},{dot.y:g}" for dot in dots)


def _range(low: float, high: float) -> tuple[float, float]:
    """Rounded bounds within 0..1, at least 0.2 apart, so that noise does not look like drift."""
    if high - low < 0.2:
        low = min(max((low + high) / 2 - 0.1, 0), 0.8)
        high = low + 0.2
    return max(round(low - 0.01, 2), 0), min(round(high + 0.01, 2), 1)


def _line(place: int, heights: Sequence[float]) -> str:
    step = SLOT * 0.84 / max(1, len(heights) - 1)
    return " ".join(f"{SLOT * (place + 0.08) + step * index:.1f},{y:g}" for index, y in enumerate(heights))
