"""The parts of a character, and helpers that all species share."""

from __future__ import annotations

from dataclasses import dataclass

from onestory_cli.storyworld.canvas import EYE_DETAIL, INK, MOUTH_DETAIL, Colour, PaintPart, rgb
from onestory_cli.storyworld.shapes import Array, Shape, circle, ellipse

WHITE = rgb(250, 250, 250)
CREAM = rgb(245, 228, 195)
BEAK = rgb(250, 150, 40)


@dataclass(frozen=True, kw_only=True)
class Tones:
    """The body colour and its shades, each (3,)."""

    body: Colour
    light: Colour
    dark: Colour


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Positions of the limbs in each frame.

    swing_T11: swing of legs and arms in local units, 0 unless walking
    sway_T11: slow idle oscillation -1..1
    raise_T11: angle of the waving arm over the horizontal in radians, or None
    waves_behind: the rear arm waves instead of the front arm
    """

    swing_T11: Array
    sway_T11: Array
    raise_T11: Array | None
    waves_behind: bool


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """A character facing right, feet at v = 0, about 1 high.

    back, torso, head: layers painted in this order
    trunk: the shape a shirt covers, between the heights of shirt
    hat: (x, y, half width) of the brim; neck: (x, y, half width) of a scarf
    shoulder: (x, y) of the front arm, mirrored for the rear arm; limb: colour of the limbs
    leg_spread: x of the feet, or None without legs
    """

    back: tuple[PaintPart, ...] = ()
    torso: tuple[PaintPart, ...]
    head: tuple[PaintPart, ...]
    trunk: Shape
    shirt: tuple[float, float]
    hat: tuple[float, float, float]
    neck: tuple[float, float, float]
    shoulder: tuple[float, float]
    limb: Colour
    leg_spread: float | None = 0.11
    leg_radius: float = 0.075


def detail(shape: Shape, colour: Colour) -> PaintPart:
    """Return a part without an outline of its own."""
    return PaintPart(shape=shape, colour=colour, outlined=False)


def solid(shape: Shape, colour: Colour) -> PaintPart:
    """Return an outlined part."""
    return PaintPart(shape=shape, colour=colour)


def eye_part(shape: Shape, colour: Colour) -> PaintPart:
    """Return a part of an eye."""
    return PaintPart(shape=shape, colour=colour, outlined=False, detail=EYE_DETAIL)


def mouth_part(shape: Shape, colour: Colour) -> PaintPart:
    """Return a mouth, a nose or a part of one."""
    return PaintPart(shape=shape, colour=colour, outlined=False, detail=MOUTH_DETAIL)


def eyes(x: float, y: float, spread: float, radius: float = 0.068) -> tuple[PaintPart, ...]:
    """Return a pair of round eyes that look right."""
    parts: list[PaintPart] = []
    for side in (-1, 1):
        centre = x + side * spread
        parts.append(eye_part(circle(centre, y, radius), WHITE))
        parts.append(eye_part(circle(centre + 0.018, y, radius * 0.66), INK))
        parts.append(eye_part(circle(centre + 0.002, y + 0.02, radius * 0.22), WHITE))
    return tuple(parts)


def smile(x: float, y: float, half_width: float) -> PaintPart:
    """Return a small dark mouth."""
    return mouth_part(ellipse(x, y, half_width, 0.025), INK)


def cheeks(x: float, y: float, spread: float, tone: Colour) -> tuple[PaintPart, ...]:
    """Return two rosy spots."""
    return tuple(detail(ellipse(x + side * spread, y, 0.05, 0.035), tone) for side in (-1, 1))
