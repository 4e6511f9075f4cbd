"""What can be seen of a shot's place: only that is taught, and only that is asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from onestory_cli.storyworld.render import camera_for, place_of
from onestory_cli.storyworld.world import WorldShot

SIDES: tuple[str, ...] = ("left", "centre", "right")

_SEEN = 0.05  # of a channel from 0 to 1; less is the haze of an edge
_SUN_Y = 0.8  # about where every place hangs its sun, moon, planet or window


def side(x: float) -> str:
    """The third of a wide shot, 0 .. 1 from the left."""
    return SIDES[min(int(x * 3), 2)]


def shows_accent(shot: WorldShot) -> bool:
    """Whether the middle of the accent object is in the frame."""
    camera = camera_for(shot)
    return abs(shot.place.accent_x - camera.x) < 0.5 / camera.zoom


def accent_mask(shot: WorldShot, size: int) -> NDArray[np.bool_]:
    """(H, W): where the accent object is in the frame, were nobody before it: what changes with its colour."""
    red, blue = (
        place_of(replace(shot, place=replace(shot.place, accent_colour=colour)), size) for colour in ("red", "blue")
    )
    return np.abs(red.pixels_CTHW - blue.pixels_CTHW).max((0, 1)) > _SEEN


def shows_sun(shot: WorldShot) -> bool:
    """Whether the middle of the sun (or moon, planet, window) is in the frame."""
    camera = camera_for(shot)
    half = 0.5 / camera.zoom
    return abs(shot.place.sun_x - camera.x) < half and camera.y + half > _SUN_Y
