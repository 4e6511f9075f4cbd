"""The visible details of a place in a shot. Training and evaluation use only those."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from onestory_cli.storyworld.canvas import Canvas
from onestory_cli.storyworld.kite import draw_kite
from onestory_cli.storyworld.render import camera_for, place_of, side_of_kite
from onestory_cli.storyworld.world import WorldShot

SIDES: tuple[str, ...] = ("left", "centre", "right")

_SEEN = 0.05  # least change of a channel in 0..1; below it are the soft rims of edges
_SUN_Y = 0.8  # about the height of the sun, moon, planet or window of every place


def side(x: float) -> str:
    """Return the third of a wide shot that contains x, 0 .. 1 from the left."""
    return SIDES[min(int(x * 3), 2)]


def shows_accent(shot: WorldShot) -> bool:
    """Return whether the centre of the accent object is in the frame."""
    camera = camera_for(shot)
    return abs(shot.place.accent_x - camera.x) < 0.5 / camera.zoom


def accent_mask(shot: WorldShot, size: int) -> NDArray[np.bool_]:
    """Return the pixels (H, W) of the accent object, ignoring characters: those that change with its colour."""
    red, blue = (
        place_of(replace(shot, place=replace(shot.place, accent_colour=colour)), size) for colour in ("red", "blue")
    )
    return _changes(red, blue)


def kite_mask(shot: WorldShot, size: int) -> NDArray[np.bool_]:
    """Return the pixels (H, W) of the kite in the first frame, ignoring characters and the string that one holds."""
    if not shot.kite:
        return np.zeros((size, size), np.bool_)
    red, blue = place_of(shot, size), place_of(shot, size)
    for canvas, colour in ((red, "red"), (blue, "blue")):
        draw_kite(canvas, colour, hand=None, side=side_of_kite(shot))
    return _changes(red, blue)


def _changes(one: Canvas, other: Canvas) -> NDArray[np.bool_]:
    """Pixels (H, W) that differ in any frame."""
    return np.abs(one.pixels_CTHW - other.pixels_CTHW).max((0, 1)) > _SEEN


def shows_sun(shot: WorldShot) -> bool:
    """Return whether the centre of the sun (or moon, planet, window) is in the frame."""
    camera = camera_for(shot)
    half = 0.5 / camera.zoom
    return abs(shot.place.sun_x - camera.x) < half and camera.y + half > _SUN_Y
