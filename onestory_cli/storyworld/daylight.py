"""Light of the times of day: a gain and an offset per colour channel, applied to a finished place.

The accent object keeps nearly its own colour, because a story refers to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onestory_cli.storyworld.canvas import Canvas, Colour, rgb


@dataclass(frozen=True, kw_only=True)
class Daylight:
    """The effect of a time of day on colours 0..1: ``gain * colour + offset``, both (3,).

    lamp: colour of the sun or moon in the sky, None to keep the setting's own sun
    accent: brightness that the accent object keeps
    """

    gain: Colour
    offset: Colour
    lamp: Colour | None = None
    accent: float = 1.0

    def before(self, colour: Colour) -> Colour:
        """Return the colour to paint so that it appears as `colour` after the light is applied."""
        painted: Colour = (colour - self.offset) / self.gain
        return painted


DAYLIGHT: dict[str, Daylight] = {
    "day": Daylight(gain=np.ones(3, np.float32), offset=np.zeros(3, np.float32)),
    "sunset": Daylight(
        gain=np.array((0.82, 0.6, 0.56), np.float32),
        offset=np.array((0.15, 0.05, 0.06), np.float32),
        lamp=rgb(255, 205, 90),
        accent=0.95,
    ),
    "night": Daylight(
        gain=np.array((0.28, 0.34, 0.46), np.float32),
        offset=np.array((0.01, 0.02, 0.1), np.float32),
        lamp=rgb(246, 244, 220),
        accent=0.85,
    ),
}


def light_place(canvas: Canvas, time: str) -> None:
    """Apply the light of a time of day to the whole canvas, in place."""
    if time != "day":
        light, pixels_CTHW = DAYLIGHT[time], canvas.pixels_CTHW
        pixels_CTHW *= light.gain[:, None, None, None]
        pixels_CTHW += light.offset[:, None, None, None]
