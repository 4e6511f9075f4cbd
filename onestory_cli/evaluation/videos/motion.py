"""Motion of a clip: VBench's dynamic degree with block matching instead of RAFT, whose weights need torchvision.

Shape letters: P frames, H W pixels, R C rows and columns of blocks.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PIL import Image

SIDE = 128  # length in pixels of the shorter side, to which frames are scaled
BLOCK = 8
REACH = 8  # maximum motion of a block in pixels, more than twice the threshold
THRESHOLD = 6 / 256  # motion in an eighth of a second, as a share of the shorter side
RATE = 8  # frames per second that are compared
TOP = 0.05  # share of blocks, those that move most, to average
_STILLNESS = 0.25  # penalty in grey levels per pixel of motion: prefers the nearest of equally good matches
_FIT = 0.5  # a block has moved only if its matching error is below this share of its error without motion


def motion(pixels_PHW3: np.ndarray, fps: float) -> np.ndarray:
    """Mean motion of the fastest 5 % of blocks between frames 1/8 s apart, as a share of the shorter side."""
    step = max(1, round(fps / RATE))
    greys = [_grey(frame) for frame in pixels_PHW3[::step]]
    ways = [_ways(before, after) for before, after in pairwise(greys)]
    return np.array([_top(way) / SIDE for way in ways])


def moves(way: np.ndarray, fps: float) -> bool | None:
    """Whether enough pairs of frames move enough (the rule of VBench); None for a single frame."""
    if not len(way):
        return None
    least = THRESHOLD * max(1.0, RATE / fps)
    return int((way > least).sum()) >= max(1, round(4 * (len(way) + 1) / 16))


def _grey(frame_HW3: np.ndarray) -> np.ndarray:
    """Grey levels (H, W); the shorter side is `SIDE` pixels, and both are rounded to whole blocks."""
    height, width = frame_HW3.shape[:2]
    scale = SIDE / min(height, width)
    size = [max(BLOCK, round(length * scale) // BLOCK * BLOCK) for length in (width, height)]
    return np.asarray(
        Image.fromarray(frame_HW3).convert("L").resize((size[0], size[1]), Image.Resampling.BOX), np.float32
    )


def _ways(before_HW: np.ndarray, after_HW: np.ndarray) -> np.ndarray:
    """Motion in pixels (R, C) of each block of the later frame.

    The outermost blocks are left out, because their content may have entered the frame.
    """
    height, width = after_HW.shape
    padded = np.pad(before_HW, REACH, mode="edge")
    best = np.full((height // BLOCK, width // BLOCK), np.inf, np.float32)
    way, error = np.zeros_like(best), np.zeros_like(best)
    for down in range(2 * REACH + 1):
        for right in range(2 * REACH + 1):
            length = float(np.hypot(down - REACH, right - REACH))
            apart = np.abs(padded[down : down + height, right : right + width] - after_HW)
            here = apart.reshape(height // BLOCK, BLOCK, -1, BLOCK).mean((1, 3))
            if not length:
                still = here
            better = here + _STILLNESS * length < best
            best = np.where(better, here + _STILLNESS * length, best)
            way, error = np.where(better, length, way), np.where(better, here, error)
    # blocks that were hidden in the earlier frame have no match and count as still
    return np.where(error <= _FIT * still, way, 0)[1:-1, 1:-1]


def _top(way_RC: np.ndarray) -> float:
    ways = np.sort(way_RC, axis=None)[::-1]
    return float(ways[: max(1, round(TOP * ways.size))].mean())
