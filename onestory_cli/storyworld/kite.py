"""Drawing a kite: high in the frame, alone or on a string that an actor holds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from onestory_cli.storyworld.anatomy import detail, solid
from onestory_cli.storyworld.canvas import INK, Brush, Camera, Canvas, rgb
from onestory_cli.storyworld.shapes import Array, capsule, circle, polygon
from onestory_cli.storyworld.vocabulary import COLOURS

_HALF_WIDTH, _TOP, _BOTTOM = 0.095, 0.1, 0.14
_HIGH = 0.31  # over the middle of the frame, parts of its height
_ASIDE = 0.27  # from the middle, away from the actor
_OUTLINE = 0.016


def draw_kite(canvas: Canvas, colour: str, *, hand: tuple[Array, Array] | None, side: int) -> None:
    """Paint a kite in every frame.

    hand: x and y of the hand that holds its string in world units, (T, 1, 1); None for a kite without a string
    side: -1 for the left half of the frame, 1 for the right
    """
    x_T11, y_T11 = _flight(canvas.camera, frames=canvas.cover_THW.shape[0], side=side)
    scale = 1 / canvas.camera.zoom
    if hand is not None:
        origin = np.zeros((1, 1, 1), np.float32)
        line = Brush(canvas=canvas, x_T11=origin, y_T11=origin, scale=1.0, facing=1, outline=0.0, marks_cover=False)
        line.fill(capsule(*hand, x_T11, y_T11 - _BOTTOM * scale, 0.005 * scale), INK)
    brush = Brush(canvas=canvas, x_T11=x_T11, y_T11=y_T11, scale=scale, facing=1, outline=_OUTLINE, marks_cover=False)
    _paint_kite(brush, colour)


def _flight(camera: Camera, *, frames: int, side: int) -> tuple[Array, Array]:
    """Centre of the kite, world units (T, 1, 1): it sways once to each side."""
    phase_T11 = np.linspace(0, 2 * np.pi, frames, dtype=np.float32)[:, None, None]
    x_T11 = camera.x + (side * np.float32(_ASIDE) + np.float32(0.025) * np.sin(phase_T11)) / np.float32(camera.zoom)
    return x_T11, camera.y + (np.float32(_HIGH) + np.float32(0.02) * np.sin(2 * phase_T11)) / np.float32(camera.zoom)


def _paint_kite(brush: Brush, colour: str) -> None:
    paint = rgb(*COLOURS[colour])
    tail = [(0.0, -_BOTTOM), (0.03, -0.19), (-0.01, -0.235), (0.025, -0.28)]
    for (x0, y0), (x1, y1) in pairwise(tail):
        brush.fill(capsule(x0, y0, x1, y1, 0.006), INK)
    brush.layer([solid(circle(x, y, 0.019), paint) for x, y in tail[1:]])
    sail = polygon((0, -_BOTTOM), (_HALF_WIDTH, 0), (0, _TOP), (-_HALF_WIDTH, 0))
    shade = polygon((0, -_BOTTOM), (_HALF_WIDTH, 0), (0, _TOP))
    brush.layer(
        (
            solid(sail, paint),
            detail(shade, paint * np.float32(0.8)),
            detail(capsule(0, -_BOTTOM, 0, _TOP, 0.004), INK),
            detail(capsule(-_HALF_WIDTH, 0, _HALF_WIDTH, 0, 0.004), INK),
        )
    )
