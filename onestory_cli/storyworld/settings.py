"""Drawing the outdoor and indoor places, from the details that a `WorldPlace` keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from onestory_cli.storyworld.anatomy import detail, solid
from onestory_cli.storyworld.canvas import INK, Brush, Canvas, Colour, rgb
from onestory_cli.storyworld.daylight import DAYLIGHT, light_place
from onestory_cli.storyworld.shapes import Array, Shape, box, capsule, circle, cut, ellipse, polygon, skyline
from onestory_cli.storyworld.vocabulary import COLOURS
from onestory_cli.storyworld.world import WorldPlace

_JITTER = 0.028


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A place unpacked for drawing.

    accent: colour of the accent object; accent_x, sun_x: as in `WorldPlace`
    tints: offsets of the palette, per paint (3,)
    spots, sizes: 12 numbers 0..1 each that lay out repeated things
    pick: 0..3, a choice of palette
    time: time of day
    """

    accent: Colour
    accent_x: float
    sun_x: float
    tints: tuple[Colour, ...]
    spots: tuple[float, ...]
    sizes: tuple[float, ...]
    pick: int
    time: str


def draw_place(canvas: Canvas, place: WorldPlace) -> None:
    """Paint a place on a canvas of one frame."""
    origin = np.zeros((1, 1, 1), np.float32)
    brush = Brush(canvas=canvas, x_T11=origin, y_T11=origin, scale=1.0, facing=1, outline=0.012, marks_cover=False)
    _PAINTERS[place.setting](brush, _scene(place))
    light_place(canvas, place.time)
    np.clip(canvas.pixels_CTHW, 0, 1, out=canvas.pixels_CTHW)


def _scene(place: WorldPlace) -> Scene:
    rng = np.random.default_rng(place.layout_seed)
    tints = tuple(rng.normal(0, _JITTER, (4, 3)).clip(-2 * _JITTER, 2 * _JITTER).astype(np.float32))
    accent = rgb(*COLOURS[place.accent_colour])
    if place.time != "day":
        light = DAYLIGHT[place.time]
        accent = light.before(accent * np.float32(light.accent))
    return Scene(
        accent=accent,
        accent_x=place.accent_x,
        sun_x=place.sun_x,
        tints=tints,
        spots=tuple(rng.permutation((np.arange(12) + rng.uniform(0, 0.9, 12)) / 12).tolist()),
        sizes=tuple(rng.uniform(0, 1, 12).tolist()),
        pick=int(rng.integers(4)),
        time=place.time,
    )


def _sky(brush: Brush, top: Colour, bottom: Colour) -> None:
    """Fill the frame with a vertical gradient that reaches ``bottom`` at the lower edge of a wide shot."""
    size, camera = brush.canvas.size, brush.canvas.camera
    y_H = (0.5 - (np.arange(size, dtype=np.float32) + 0.5) / size) / camera.zoom + camera.y
    up_CH = np.clip(y_H, 0, 1)[None, :]
    brush.canvas.pixels_CTHW[:] = (bottom[:, None] + (top - bottom)[:, None] * up_CH)[:, None, :, None]


def _sun(brush: Brush, scene: Scene, y: float, radius: float, colour: Colour, *, outlined: bool) -> None:
    """A sun by day and at sunset; at night a crescent moon among stars."""
    light = DAYLIGHT[scene.time]
    if scene.time == "night":
        _stars(brush, scene)
    if light.lamp is not None:
        colour = light.before(light.lamp)
    part = solid if outlined else detail
    brush.layer((part(circle(scene.sun_x, y, radius), colour),))
    if scene.time == "night":
        brush.fill(circle(scene.sun_x + 0.5 * radius, y + 0.25 * radius, 0.72 * radius), light.before(rgb(40, 52, 96)))


def _stars(brush: Brush, scene: Scene) -> None:
    white = DAYLIGHT["night"].before(rgb(240, 240, 255))
    for index, (x, size) in enumerate(zip(scene.spots, scene.sizes, strict=True)):
        brush.fill(circle(x, 0.56 + 0.42 * ((size * 7.3 + 0.37 * index) % 1), 0.006 + 0.005 * size), white)


def _hill(base: float, swell: float, waves: float, shift: float) -> Shape:
    """Ground under a wavy line."""

    def height(u: Array) -> Array:
        return base + swell * np.sin(u * waves + shift * 6.3)

    return skyline(height, base + swell)


def _up_triangle(x: float, base: float, half_width: float, height: float) -> Shape:
    return polygon((x - half_width, base), (x + half_width, base), (x, base + height))


def _beach(brush: Brush, scene: Scene) -> None:
    _sky(brush, rgb(105, 190, 245) + scene.tints[0], rgb(215, 238, 248))
    _sun(brush, scene, 0.86, 0.085, rgb(255, 236, 120), outlined=True)
    brush.fill(_hill(0.52, 0.0, 1.0, 0.0), rgb(40, 130, 200) + scene.tints[1])
    brush.fill(_hill(0.39 + 0.03 * scene.sizes[0], 0.014, 16.0, scene.spots[0]), rgb(250, 250, 250))
    brush.fill(_hill(0.37 + 0.03 * scene.sizes[0], 0.014, 16.0, scene.spots[0]), rgb(238, 213, 155) + scene.tints[2])
    x = scene.accent_x
    canopy = cut(ellipse(x, 0.58, 0.18, 0.2), above=0.58)
    brush.layer((solid(capsule(x, 0.28, x, 0.6, 0.013), rgb(120, 85, 55)),))
    brush.layer((solid(canopy, scene.accent), detail(cut(ellipse(x, 0.58, 0.06, 0.2), above=0.58), rgb(250, 250, 250))))


def _forest(brush: Brush, scene: Scene) -> None:
    _sky(brush, rgb(150, 195, 165) + scene.tints[0], rgb(205, 225, 175))
    if scene.time != "day":
        _sun(brush, scene, 0.88, 0.07, rgb(255, 236, 120), outlined=False)
    for x, size in zip(scene.spots[:6], scene.sizes[:6], strict=True):
        leaves = rgb(28, 95 + 40 * size, 62) + scene.tints[1]
        top = 0.42 + 0.12 * size
        brush.layer((solid(box(x, 0.38, 0.025, 0.14), rgb(95, 65, 42)),))
        brush.layer(
            (
                solid(_up_triangle(x, top - 0.02, 0.13, 0.3), leaves),
                solid(_up_triangle(x, top + 0.14, 0.1, 0.26), leaves),
            )
        )
    brush.fill(_hill(0.32, 0.015, 9.0, scene.spots[7]), rgb(85, 120, 55) + scene.tints[2])
    x = scene.accent_x
    cap = cut(ellipse(x, 0.42, 0.15, 0.17), above=0.42)
    brush.layer((solid(box(x, 0.34, 0.05, 0.1, 0.03), rgb(244, 232, 205)), solid(cap, scene.accent)))
    for dx, y in ((-0.075, 0.48), (0.01, 0.53), (0.08, 0.47)):
        brush.fill(circle(x + dx, y, 0.022), rgb(250, 250, 250))


def _city(brush: Brush, scene: Scene) -> None:
    _sky(brush, rgb(14, 16, 48) + scene.tints[0] * 0.5, rgb(80, 55, 110))
    brush.fill(circle(scene.sun_x, 0.88, 0.065), rgb(245, 243, 215))
    brush.fill(circle(scene.sun_x + 0.035, 0.9, 0.052), rgb(18, 20, 54))
    for index in range(6):
        x = (index + 0.5) / 6 + 0.04 * (scene.spots[index] - 0.5)
        top = 0.5 + 0.26 * scene.sizes[index]
        walls = rgb(52, 55, 84) + scene.tints[1] + np.float32(0.1 * (scene.spots[index] - 0.5))
        brush.layer((solid(box(x, top / 2, 0.075, top / 2), walls),))
        _windows(brush, x, top, scene.sizes[(index + 5) % 12])
    brush.fill(_hill(0.25, 0.0, 1.0, 0.0), rgb(72, 72, 88) + scene.tints[2])
    brush.fill(box(0.5, 0.05, 1.0, 0.012), rgb(225, 205, 95))
    x = scene.accent_x
    brush.layer((solid(capsule(x, 0.25, x, 0.5, 0.014), rgb(120, 120, 135)),))
    brush.layer(
        (solid(box(x, 0.57, 0.15, 0.085, 0.03), scene.accent), detail(box(x, 0.57, 0.1, 0.02), scene.accent * 0.45))
    )


def _windows(brush: Brush, x: float, top: float, size: float) -> None:
    """Lit windows, two columns; which are lit depends on ``size``."""
    for row in range(3):
        for column in (-1, 1):
            if (int(size * 97) + 3 * row + column) % 3:
                y = top - 0.07 - 0.1 * row
                brush.fill(box(x + 0.033 * column, y, 0.017, 0.027), rgb(252, 222, 130))


def _desert(brush: Brush, scene: Scene) -> None:
    _sky(brush, rgb(250, 175, 100) + scene.tints[0], rgb(255, 232, 175))
    _sun(brush, scene, 0.82, 0.09, rgb(255, 247, 200), outlined=False)
    for x, size in zip(scene.spots[:2], scene.sizes[:2], strict=True):
        top = 0.55 + 0.1 * size
        mesa = polygon((x - 0.24, 0.3), (x + 0.24, 0.3), (x + 0.14, top), (x - 0.14, top))
        brush.layer((solid(mesa, rgb(190, 98, 62) + scene.tints[1]),))
    brush.fill(_hill(0.4, 0.03, 7.0, scene.spots[3]), rgb(222, 170, 98) + scene.tints[2])
    for x in scene.spots[5:7]:
        _cactus(brush, x)
    brush.fill(_hill(0.27, 0.02, 9.0, scene.spots[4]), rgb(243, 200, 128) + scene.tints[2])
    x = scene.accent_x
    brush.layer(
        (
            solid(_up_triangle(x, 0.24, 0.19, 0.31), scene.accent),
            detail(_up_triangle(x, 0.24, 0.065, 0.2), scene.accent * 0.35),
        )
    )


def _cactus(brush: Brush, x: float) -> None:
    green = rgb(60, 128, 72)
    brush.layer(
        (
            solid(capsule(x, 0.26, x, 0.54, 0.032), green),
            solid(capsule(x, 0.38, x + 0.08, 0.4, 0.022), green),
            solid(capsule(x + 0.08, 0.4, x + 0.08, 0.48, 0.022), green),
        )
    )


def _snow(brush: Brush, scene: Scene) -> None:
    _sky(brush, rgb(165, 200, 235) + scene.tints[0], rgb(232, 240, 248))
    _sun(brush, scene, 0.87, 0.07, rgb(255, 250, 215), outlined=False)
    for x, size in zip(scene.spots[:3], scene.sizes[:3], strict=True):
        height = 0.34 + 0.16 * size
        peak = 0.36 + height
        brush.layer((solid(_up_triangle(x, 0.36, 0.3, height), rgb(122, 138, 172) + scene.tints[1]),))
        brush.fill(_up_triangle(x, peak - 0.36 * height, 0.108, 0.36 * height), rgb(250, 251, 255))
    brush.fill(_hill(0.39, 0.015, 8.0, scene.spots[3]), rgb(228, 236, 246) + scene.tints[2] * 0.4)
    for x in scene.spots[5:8]:
        pine = rgb(45, 105, 88) + scene.tints[3]
        brush.layer((solid(_up_triangle(x, 0.33, 0.08, 0.16), pine), solid(_up_triangle(x, 0.42, 0.06, 0.14), pine)))
    x = scene.accent_x
    brush.layer(
        (
            solid(box(x, 0.38, 0.125, 0.11), scene.accent),
            solid(polygon((x - 0.18, 0.49), (x + 0.18, 0.49), (x + 0.07, 0.62), (x - 0.07, 0.62)), rgb(250, 251, 255)),
            detail(box(x, 0.35, 0.035, 0.08), scene.accent * 0.35),
        )
    )
    brush.fill(_hill(0.275, 0.015, 8.0, scene.spots[4]), rgb(243, 247, 252))


def _kitchen(brush: Brush, scene: Scene) -> None:
    walls = ((248, 228, 190), (195, 226, 215), (216, 206, 234), (190, 215, 238))
    brush.canvas.pixels_CTHW[:] = (rgb(*walls[scene.pick]) + scene.tints[0])[:, None, None, None]
    brush.layer(
        (
            solid(box(scene.sun_x, 0.77, 0.13, 0.12), rgb(250, 250, 250)),
            detail(box(scene.sun_x, 0.77, 0.108, 0.098), rgb(135, 200, 245)),
            detail(box(scene.sun_x, 0.77, 0.009, 0.11), rgb(250, 250, 250)),
        )
    )
    wood = rgb(160, 110, 72) + scene.tints[1]
    brush.layer((solid(box(0.5, 0.39, 0.8, 0.13), wood), solid(box(0.5, 0.515, 0.8, 0.02), rgb(240, 238, 232))))
    for x in scene.spots[:4]:
        brush.fill(box(x, 0.42, 0.03, 0.01), rgb(240, 220, 150))
    brush.fill(_hill(0.27, 0.0, 1.0, 0.0), rgb(205, 205, 212) + scene.tints[2])
    _tiles(brush, rgb(160, 162, 178) + scene.tints[2])
    x = scene.accent_x
    brush.layer(
        (
            solid(box(x, 0.48, 0.125, 0.25, 0.02), scene.accent),
            detail(box(x, 0.57, 0.125, 0.008), scene.accent * 0.45),
            detail(box(x + 0.085, 0.46, 0.012, 0.06), INK),
            detail(box(x + 0.085, 0.63, 0.012, 0.03), INK),
        )
    )


def _tiles(brush: Brush, colour: Colour) -> None:
    for row in range(2):
        for column in range(4):
            x = (column + 0.25 + 0.5 * row) / 4
            brush.fill(box(x, 0.202 - 0.135 * row, 0.0625, 0.0675), colour)


def _meadow(brush: Brush, scene: Scene) -> None:
    _sky(brush, rgb(105, 185, 250) + scene.tints[0], rgb(225, 242, 252))
    for x, size in zip(scene.spots[:2], scene.sizes[:2], strict=True):
        y = 0.78 + 0.1 * size
        cloud = (ellipse(x, y, 0.14, 0.05), circle(x - 0.03, y + 0.035, 0.06))
        for puff in cloud:
            brush.fill(puff, rgb(252, 253, 255))
    _sun(brush, scene, 0.9, 0.07, rgb(255, 232, 100), outlined=True)
    brush.fill(_hill(0.45, 0.05, 6.0, scene.spots[3]), rgb(140, 205, 110) + scene.tints[1])
    x = scene.accent_x
    brush.layer(
        (
            solid(box(x, 0.4, 0.115, 0.12), rgb(248, 238, 218)),
            solid(_up_triangle(x, 0.5, 0.18, 0.18), scene.accent),
            detail(box(x, 0.36, 0.035, 0.08), rgb(120, 80, 50)),
        )
    )
    brush.fill(_hill(0.29, 0.025, 8.0, scene.spots[4]), rgb(95, 178, 72) + scene.tints[2])
    petals = (rgb(252, 222, 45), rgb(255, 150, 205), rgb(250, 250, 250))
    for index, (x, size) in enumerate(zip(scene.spots[:7], scene.sizes[:7], strict=True)):
        brush.fill(circle(x, 0.04 + 0.18 * size, 0.02), petals[index % 3])


def _moon(brush: Brush, scene: Scene) -> None:
    _sky(brush, rgb(8, 8, 24) + scene.tints[0] * 0.3, rgb(38, 32, 70))
    for index, (x, size) in enumerate(zip(scene.spots, scene.sizes, strict=True)):
        y = 0.45 + 0.52 * ((size * 7.3 + 0.37 * index) % 1)
        brush.fill(circle(x, y, 0.009 + 0.007 * size), rgb(244, 244, 255))
    planets = ((90, 150, 230), (215, 160, 105), (150, 205, 165), (205, 120, 155))
    brush.layer((solid(circle(scene.sun_x, 0.82, 0.1), rgb(*planets[scene.pick])),))
    brush.layer((solid(capsule(scene.sun_x - 0.16, 0.8, scene.sun_x + 0.16, 0.84, 0.014), rgb(240, 228, 190)),))
    brush.fill(_hill(0.34, 0.02, 6.0, scene.spots[3]), rgb(168, 168, 178) + scene.tints[1])
    for x, size in zip(scene.spots[:4], scene.sizes[:4], strict=True):
        brush.fill(ellipse(x, 0.05 + 0.2 * size, 0.075, 0.026), rgb(128, 128, 140) + scene.tints[1])
    x = scene.accent_x
    brush.layer((solid(capsule(x - 0.13, 0.26, x - 0.13, 0.68, 0.014), rgb(225, 225, 230)),))
    brush.layer((solid(box(x + 0.02, 0.6, 0.145, 0.09), scene.accent),))


_PAINTERS: dict[str, Callable[[Brush, Scene], None]] = {
    "beach": _beach,
    "forest": _forest,
    "city": _city,
    "desert": _desert,
    "snow": _snow,
    "kitchen": _kitchen,
    "meadow": _meadow,
    "moon": _moon,
}
