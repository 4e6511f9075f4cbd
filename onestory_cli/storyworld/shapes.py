"""Signed-distance shapes: negative inside, in the unit of the coordinates.

Axes: u to the right, v up. Coordinates come as broadcastable float32 arrays,
u of shape (T, 1, W) and v of shape (T, H, 1), so that separable parts stay cheap.
A shape's parameters are numbers, or arrays (T, 1, 1) where it moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# float32 throughout; typed loosely because numpy's stubs widen mixed arithmetic.
Array = NDArray[Any]
Scalar = float | Array
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """distance: (u, v) -> signed distance; bounds: (u low, u high, v low, v high) over all frames."""

    distance: Callable[[Array, Array], Array]
    bounds: Bounds


def _low(value: Scalar) -> float:
    return float(value.min()) if isinstance(value, np.ndarray) else value


def _high(value: Scalar) -> float:
    return float(value.max()) if isinstance(value, np.ndarray) else value


def circle(x: Scalar, y: Scalar, radius: float) -> Shape:
    """A disc."""

    def distance(u: Array, v: Array) -> Array:
        return np.sqrt((u - x) ** 2 + (v - y) ** 2) - radius

    return Shape(
        distance=distance,
        bounds=(_low(x) - radius, _high(x) + radius, _low(y) - radius, _high(y) + radius),
    )


def ellipse(x: Scalar, y: Scalar, half_width: float, half_height: float) -> Shape:
    """An axis-aligned ellipse (first-order distance, exact enough for outlines)."""

    def distance(u: Array, v: Array) -> Array:
        uu, vv = (u - x) ** 2, (v - y) ** 2
        level = np.sqrt(uu * half_width**-2 + vv * half_height**-2)
        slope = np.sqrt(uu * half_width**-4 + vv * half_height**-4)
        result: Array = level * (level - 1) / (slope + 1e-4)
        return result

    return Shape(
        distance=distance,
        bounds=(_low(x) - half_width, _high(x) + half_width, _low(y) - half_height, _high(y) + half_height),
    )


def box(x: float, y: float, half_width: float, half_height: float, corner: float = 0.0) -> Shape:
    """A rectangle whose corners are rounded by ``corner`` (half sizes include the rounding)."""

    def distance(u: Array, v: Array) -> Array:
        across = np.abs(u - x) - (half_width - corner)
        up = np.abs(v - y) - (half_height - corner)
        outside: Array = np.sqrt(np.maximum(across, 0) ** 2 + np.maximum(up, 0) ** 2)
        return outside + np.minimum(np.maximum(across, up), 0) - corner

    return Shape(distance=distance, bounds=(x - half_width, x + half_width, y - half_height, y + half_height))


def capsule(x0: Scalar, y0: Scalar, x1: Scalar, y1: Scalar, radius: float) -> Shape:
    """A thick line with round ends."""

    def distance(u: Array, v: Array) -> Array:
        across, up = x1 - x0, y1 - y0
        along = ((u - x0) * across + (v - y0) * up) / (across * across + up * up + 1e-6)
        along = np.clip(along, 0, 1)
        return np.sqrt((u - x0 - across * along) ** 2 + (v - y0 - up * along) ** 2) - radius

    return Shape(
        distance=distance,
        bounds=(
            min(_low(x0), _low(x1)) - radius,
            max(_high(x0), _high(x1)) + radius,
            min(_low(y0), _low(y1)) - radius,
            max(_high(y0), _high(y1)) + radius,
        ),
    )


def polygon(*points: tuple[float, float]) -> Shape:
    """A convex polygon; corners in counter-clockwise order (v up)."""
    edges = []
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        length = math.hypot(x1 - x0, y1 - y0)
        edges.append(((y1 - y0) / length, (x0 - x1) / length, x0, y0))

    def distance(u: Array, v: Array) -> Array:
        sides = [(u - x) * normal_u + (v - y) * normal_v for normal_u, normal_v, x, y in edges]
        result = sides[0]
        for side in sides[1:]:
            result = np.maximum(result, side)
        return result

    xs, ys = [x for x, _ in points], [y for _, y in points]
    return Shape(distance=distance, bounds=(min(xs), max(xs), min(ys), max(ys)))


def star(x: float, y: float, radius: float, waist: float, corner: float) -> Shape:
    """A five-pointed star, a tip up; ``waist`` is the inner radius as a part of the outer."""
    turn = math.pi / 5
    outer = radius - corner
    inner_u, inner_v = outer * waist * math.sin(turn), outer * waist * math.cos(turn)
    edge_u, edge_v = inner_u, inner_v - outer
    length = math.hypot(edge_u, edge_v)

    def distance(u: Array, v: Array) -> Array:
        across, up = np.broadcast_arrays(np.abs(u - x), v - y)
        normal_u, normal_v = math.cos(turn), -math.sin(turn)
        for _ in range(2):
            # Two folds over the axis between neighbouring tips bring every tip onto the upper one.
            over = 2 * np.maximum(across * normal_u + up * normal_v, 0)
            across, up = np.abs(across - over * normal_u), up - over * normal_v
        return (across * -edge_v + (up - outer) * edge_u) / length - corner

    return Shape(distance=distance, bounds=(x - radius, x + radius, y - radius, y + radius))


def skyline(height: Callable[[Array], Array], highest: float) -> Shape:
    """Everything below the curve ``height(u)``, which never exceeds ``highest``."""

    def distance(u: Array, v: Array) -> Array:
        return (v - height(u)) * 0.9

    return Shape(distance=distance, bounds=(-9.0, 9.0, -9.0, highest))


def union(first: Shape, *others: Shape) -> Shape:
    """Points in any of the shapes."""

    def distance(u: Array, v: Array) -> Array:
        result = first.distance(u, v)
        for other in others:
            result = np.minimum(result, other.distance(u, v))
        return result

    every = [shape.bounds for shape in (first, *others)]
    return Shape(
        distance=distance,
        bounds=(
            min(b[0] for b in every),
            max(b[1] for b in every),
            min(b[2] for b in every),
            max(b[3] for b in every),
        ),
    )


def cut(shape: Shape, *, below: float | None = None, above: float | None = None) -> Shape:
    """The part of a shape with v under ``below`` and over ``above``."""

    def distance(u: Array, v: Array) -> Array:
        result = shape.distance(u, v)
        if below is not None:
            result = np.maximum(result, v - below)
        if above is not None:
            result = np.maximum(result, above - v)
        return result

    u0, u1, v0, v1 = shape.bounds
    return Shape(
        distance=distance,
        bounds=(u0, u1, v0 if above is None else max(v0, above), v1 if below is None else min(v1, below)),
    )
