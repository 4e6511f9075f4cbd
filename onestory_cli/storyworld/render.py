"""Render a shot: camera, place, actors and kite, with masks of what each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestory_cli.storyworld.canvas import Camera, Canvas, blank, over_frames
from onestory_cli.storyworld.characters import CHARACTER_SCALE, STYLES, draw_actor
from onestory_cli.storyworld.kite import draw_kite
from onestory_cli.storyworld.settings import draw_place
from onestory_cli.storyworld.shapes import Array
from onestory_cli.storyworld.vocabulary import KITE_ACTION
from onestory_cli.storyworld.world import WorldConfig, WorldShot

ZOOMS: dict[str, float] = {"wide shot": 1.0, "medium shot": 1.3, "close-up": 2.0}
_PAIR_ZOOMS: dict[str, float] = {"wide shot": 1.0, "medium shot": 1.2, "close-up": 1.45}


@dataclass(frozen=True, kw_only=True)
class RenderedShot:
    """Pixels of a shot, and masks of their content.

    pixels_THWC: uint8 RGB
    cast_THW: the visible character (with outline and accessory): 1 for the first-named, 2 for the second, else 0
    details_THW: 1 for an outline, 2 for an eye, 3 for a mouth or nose, 4 for an accessory, else 0 (index in
        `canvas.DETAILS` plus one)
    """

    pixels_THWC: NDArray[np.uint8]
    cast_THW: NDArray[np.uint8]
    details_THW: NDArray[np.uint8]

    @property
    def mask_THW(self) -> NDArray[np.bool_]:
        """True where any character is visible."""
        return self.cast_THW > 0


def render_shot(shot: WorldShot, config: WorldConfig) -> RenderedShot:
    """Draw all frames of a shot; the same shot, size and version give the same bytes."""
    canvas = over_frames(place_of(shot, config.size), config.frames)
    cast = np.zeros(canvas.cover_THW.shape, np.uint8)
    hand: tuple[Array, Array] | None = None
    for number, actor in enumerate(shot.actors, start=1):
        at = draw_actor(canvas, actor, ground=shot.ground, crowd=len(shot.actors), style=STYLES[config.version])
        cast[(canvas.cover_THW > 0.5) & (cast == 0)] = number  # where two overlap, the first-named keeps the pixel
        hand = at if actor.action == KITE_ACTION else hand
    if shot.kite:
        draw_kite(canvas, shot.kite, hand=hand, side=side_of_kite(shot))
    pixels = np.clip(canvas.pixels_CTHW * np.float32(255) + np.float32(0.5), 0, 255).astype(np.uint8)
    return RenderedShot(
        pixels_THWC=np.ascontiguousarray(pixels.transpose(1, 2, 3, 0)),
        cast_THW=cast,
        details_THW=_strongest(canvas.details_DTHW),
    )


def _strongest(details_DTHW: Array) -> NDArray[np.uint8]:
    """Return one plus the index of the detail that covers most of each pixel; 0 if none covers half of it."""
    most_THW: Array = details_DTHW.max(0)
    return np.where(most_THW > 0.5, details_DTHW.argmax(0) + 1, 0).astype(np.uint8)


def place_of(shot: WorldShot, size: int) -> Canvas:
    """Return one frame of a shot's place, as its camera sees it, without characters."""
    canvas = blank(frames=1, size=size, camera=camera_for(shot))
    draw_place(canvas, shot.place)
    return canvas


def side_of_kite(shot: WorldShot) -> int:
    """Return the half of the frame that a kite flies in: -1 for the left, 1 for the right."""
    if shot.actors:
        return shot.actors[0].facing
    return -1 if shot.place.sun_x > 0.5 else 1


def camera_for(shot: WorldShot) -> Camera:
    """Return the camera of a shot: wide shots show the whole place, tighter framings follow the actors."""
    if not shot.actors:
        return _framed(0.5, 0.45, ZOOMS[shot.framing])
    zooms = ZOOMS if len(shot.actors) == 1 else _PAIR_ZOOMS
    zoom = zooms[shot.framing]
    x = sum(actor.x for actor in shot.actors) / len(shot.actors)
    if len(shot.actors) == 1:
        # Lean towards the accent object, so that a tighter framing still identifies the place.
        x += min(max(shot.place.accent_x - x, -0.06 / zoom), 0.06 / zoom)
    if shot.framing == "close-up" and len(shot.actors) == 1:
        bottom = shot.ground + 0.2 * CHARACTER_SCALE
    else:
        bottom = shot.ground - 0.06 / zoom
    return _framed(x, bottom + 0.5 / zoom, zoom)


def _framed(x: float, y: float, zoom: float) -> Camera:
    """A camera that never looks beyond the wide shot."""
    half = 0.5 / zoom
    return Camera(x=min(max(x, half), 1 - half), y=min(max(y, half), 1 - half), zoom=zoom)
