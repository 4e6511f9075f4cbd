"""Rendering a shot: camera, place, actors, and the mask of character pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestory_cli.storyworld.canvas import Camera, Canvas, blank
from onestory_cli.storyworld.characters import CHARACTER_SCALE, draw_actor
from onestory_cli.storyworld.settings import draw_place
from onestory_cli.storyworld.world import WorldConfig, WorldShot

ZOOMS: dict[str, float] = {"wide shot": 1.0, "medium shot": 1.3, "close-up": 2.0}
_PAIR_ZOOMS: dict[str, float] = {"wide shot": 1.0, "medium shot": 1.2, "close-up": 1.45}


@dataclass(frozen=True, kw_only=True)
class RenderedShot:
    """pixels_THWC: uint8 RGB; cast_THW: which character (outline and accessory included) is seen, 1 for the first-named
    one, 2 for the second, 0 for none."""

    pixels_THWC: NDArray[np.uint8]
    cast_THW: NDArray[np.uint8]

    @property
    def mask_THW(self) -> NDArray[np.bool_]:
        """True where any character is seen."""
        return self.cast_THW > 0


def render_shot(shot: WorldShot, config: WorldConfig) -> RenderedShot:
    """Draw all frames of a shot; the same shot and size give the same bytes."""
    background = place_of(shot, config.size)
    canvas = Canvas(
        pixels_CTHW=np.repeat(background.pixels_CTHW, config.frames, axis=1),
        cover_THW=np.zeros((config.frames, config.size, config.size), np.float32),
        camera=background.camera,
    )
    cast = np.zeros(canvas.cover_THW.shape, np.uint8)
    for number, actor in enumerate(shot.actors, start=1):
        draw_actor(canvas, actor, ground=shot.ground, crowd=len(shot.actors))
        cast[(canvas.cover_THW > 0.5) & (cast == 0)] = number  # two stand apart; who is there already stays
    pixels = np.clip(canvas.pixels_CTHW * np.float32(255) + np.float32(0.5), 0, 255).astype(np.uint8)
    return RenderedShot(
        pixels_THWC=np.ascontiguousarray(pixels.transpose(1, 2, 3, 0)),
        cast_THW=cast,
    )


def place_of(shot: WorldShot, size: int) -> Canvas:
    """One frame of a shot's place, as its camera sees it, with nobody in it."""
    canvas = blank(frames=1, size=size, camera=camera_for(shot))
    draw_place(canvas, shot.place)
    return canvas


def camera_for(shot: WorldShot) -> Camera:
    """A wide shot shows the whole place; the tighter framings follow the actors."""
    if not shot.actors:
        return _framed(0.5, 0.45, ZOOMS[shot.framing])
    zooms = ZOOMS if len(shot.actors) == 1 else _PAIR_ZOOMS
    zoom = zooms[shot.framing]
    x = sum(actor.x for actor in shot.actors) / len(shot.actors)
    if len(shot.actors) == 1:
        # Lean towards the accent object, so that a tighter framing still tells the place.
        x += min(max(shot.place.accent_x - x, -0.06 / zoom), 0.06 / zoom)
    if shot.framing == "close-up" and len(shot.actors) == 1:
        bottom = shot.ground + 0.2 * CHARACTER_SCALE
    else:
        bottom = shot.ground - 0.06 / zoom
    return _framed(x, bottom + 0.5 / zoom, zoom)


def _framed(x: float, y: float, zoom: float) -> Camera:
    """A camera which never looks beyond the wide shot."""
    half = 0.5 / zoom
    return Camera(x=min(max(x, half), 1 - half), y=min(max(y, half), 1 - half), zoom=zoom)
