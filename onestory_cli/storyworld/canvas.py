"""Canvas of float pixels, camera, and brushes that paint shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onestory_cli.storyworld.shapes import Array, Shape

# float32, shape (3,), components 0..1.
Colour = NDArray[Any]

# details that matter most to viewers; `PaintPart.detail` is an index into this tuple
DETAILS = ("outline", "eye", "mouth", "accessory")
OUTLINE_DETAIL, EYE_DETAIL, MOUTH_DETAIL, ACCESSORY_DETAIL = range(len(DETAILS))

INK: Colour = np.array((30, 24, 36), np.float32) / 255


def rgb(red: float, green: float, blue: float) -> Colour:
    """Return a colour with components 0..1 from components 0..255, shape (3,)."""
    return np.array((red, green, blue), np.float32) / np.float32(255)


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Centre of view and magnification, in world units (a wide shot shows 0..1 on both axes)."""

    x: float
    y: float
    zoom: float


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """A canvas to paint on.

    pixels_CTHW: colours 0..1
    cover_THW: character coverage 0..1
    details_DTHW: coverage 0..1 by outlines, eyes, mouths and accessories, in the order of `DETAILS`
    """

    pixels_CTHW: Array
    cover_THW: Array
    details_DTHW: Array
    camera: Camera

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return int(self.cover_THW.shape[-1])


def blank(*, frames: int, size: int, camera: Camera) -> Canvas:
    """Return a black canvas without characters."""
    return Canvas(
        pixels_CTHW=np.zeros((3, frames, size, size), np.float32),
        cover_THW=np.zeros((frames, size, size), np.float32),
        details_DTHW=np.zeros((len(DETAILS), frames, size, size), np.float32),
        camera=camera,
    )


def over_frames(background: Canvas, frames: int) -> Canvas:
    """Return a canvas of `frames` frames that starts as a background of one frame, without characters."""
    return Canvas(
        pixels_CTHW=np.repeat(background.pixels_CTHW, frames, axis=1),
        cover_THW=np.zeros((frames, background.size, background.size), np.float32),
        details_DTHW=np.repeat(background.details_DTHW, frames, axis=1),
        camera=background.camera,
    )


@dataclass(frozen=True, kw_only=True)
class PaintPart:
    """A shape and its colour; parts of a layer share one outline. detail: its index in `DETAILS`, or None."""

    shape: Shape
    colour: Colour
    outlined: bool = True
    detail: int | None = None


@dataclass(frozen=True, kw_only=True)
class _Stroke:
    region: tuple[slice, slice]
    distance_THW: Array
    part: PaintPart


@dataclass(frozen=True, kw_only=True)
class Brush:
    """Paints in local coordinates placed in the world.

    x_T11, y_T11: world position of the local origin in each frame, (T, 1, 1) or (1, 1, 1)
    scale: world units per local unit; facing: -1 mirrors the shapes
    outline: outline width in local units
    marks_cover: whether painting counts as character coverage
    """

    canvas: Canvas
    x_T11: Array
    y_T11: Array
    scale: float
    facing: int
    outline: float
    marks_cover: bool

    def layer(self, parts: Sequence[PaintPart]) -> None:
        """Paint the common outline of the parts, then the parts in order."""
        per_unit = self.scale * self.canvas.camera.zoom * self.canvas.size
        outline = max(self.outline * per_unit, 0.9)
        strokes = [stroke for part in parts if (stroke := self._stroke(part, per_unit, outline)) is not None]
        for stroke in strokes:
            if stroke.part.outlined:
                self._fill(stroke, outline, INK, OUTLINE_DETAIL)
        for stroke in strokes:
            self._fill(stroke, 0.0, stroke.part.colour, stroke.part.detail)

    def fill(self, shape: Shape, colour: Colour) -> None:
        """Paint one shape without an outline."""
        self.layer((PaintPart(shape=shape, colour=colour, outlined=False),))

    def _stroke(self, part: PaintPart, per_unit: float, outline: float) -> _Stroke | None:
        region = self._region(part.shape, outline / per_unit)
        if region is None:
            return None
        rows, columns = region
        camera, size = self.canvas.camera, self.canvas.size
        x_W = (np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5) / size - 0.5
        y_H = 0.5 - (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) / size
        u_T1W = (x_W / camera.zoom + camera.x - self.x_T11) * (self.facing / self.scale)
        v_TH1 = (y_H[:, None] / camera.zoom + camera.y - self.y_T11) / self.scale
        distance_THW = part.shape.distance(u_T1W, v_TH1) * per_unit
        return _Stroke(region=region, distance_THW=distance_THW, part=part)

    def _region(self, shape: Shape, margin: float) -> tuple[slice, slice] | None:
        u0, u1, v0, v1 = shape.bounds
        if self.facing < 0:
            u0, u1 = -u1, -u0
        camera, size = self.canvas.camera, self.canvas.size
        left = self.x_T11.min() + (u0 - margin) * self.scale
        right = self.x_T11.max() + (u1 + margin) * self.scale
        bottom = self.y_T11.min() + (v0 - margin) * self.scale
        top = self.y_T11.max() + (v1 + margin) * self.scale
        columns = _pixels((left - camera.x) * camera.zoom + 0.5, (right - camera.x) * camera.zoom + 0.5, size)
        rows = _pixels(0.5 - (top - camera.y) * camera.zoom, 0.5 - (bottom - camera.y) * camera.zoom, size)
        return None if rows is None or columns is None else (rows, columns)

    def _fill(self, stroke: _Stroke, grow: float, colour: Colour, detail: int | None) -> None:
        cover = np.clip((0.5 + grow) - stroke.distance_THW, 0, 1)
        rows, columns = stroke.region
        pixels = self.canvas.pixels_CTHW[:, :, rows, columns]
        pixels += cover * (colour[:, None, None, None] - pixels)
        details = self.canvas.details_DTHW[:, :, rows, columns]
        details *= 1 - cover  # details that are painted over disappear
        if detail is not None:
            details[detail] += cover
        if self.marks_cover:
            target = self.canvas.cover_THW[:, rows, columns]
            np.maximum(target, cover, out=target)


def _pixels(low: float, high: float, size: int) -> slice | None:
    """Return the pixel range that covers low..high (parts of the frame) with a pixel to spare."""
    start = max(0, math.floor(low * size) - 1)
    stop = min(size, math.ceil(high * size) + 1)
    return slice(start, stop) if stop > start else None
