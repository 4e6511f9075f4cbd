"""Makes footage with known truth: storyworld films with cuts, dissolves, fades, flashes, inserts, bars and overlays.

Shape letters: P frames, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from onestory_cli.curation.detectors import Boundary
from onestory_cli.storyworld import WorldConfig, WorldShot, make_story, render_shot

Pixels = NDArray[np.uint8]
TRANSITION = 12  # frames of a dissolve or a fade
KINDS = ("cut", "dissolve", "fade")
CODECS = ("libx264", "mpeg4", "libvpx-vp9", "mpeg2video")


@dataclass(frozen=True, kw_only=True)
class Film:
    """A film and its truth: one storyworld shot per shot, None for an insert, and the transitions between them."""

    pixels_PHWC: Pixels = field(repr=False)
    shots: tuple[WorldShot | None, ...]
    boundaries: tuple[Boundary, ...]


def storyworld_film(seed: int, shots: int, config: WorldConfig, kinds: Sequence[str] = ("cut",)) -> Film:
    """Return a film of one story; its transitions repeat `kinds`."""
    story = make_story(seed, config, shots=shots)
    parts = [render_shot(shot, config).pixels_THWC for shot in story.shots]
    pixels, boundaries = join(parts, [kinds[index % len(kinds)] for index in range(shots - 1)])
    return Film(pixels_PHWC=pixels, shots=story.shots, boundaries=boundaries)


def join(parts: Sequence[Pixels], kinds: Sequence[str]) -> tuple[Pixels, tuple[Boundary, ...]]:
    """Join shots; a dissolve or a fade takes the last frames of one and the first of the next."""
    whole, boundaries = [parts[0]], []
    for part, kind in zip(parts[1:], kinds, strict=True):
        count = sum(map(len, whole))
        if kind == "cut":
            boundaries.append(Boundary(first=count, last=count, kind=kind))
            whole.append(part)
            continue
        tail, head = whole[-1][-TRANSITION:], part[:TRANSITION]
        whole[-1] = whole[-1][:-TRANSITION]
        blend = _dissolve(tail, head) if kind == "dissolve" else _fade(tail, head)
        first = count - TRANSITION
        boundaries.append(Boundary(first=first, last=first + len(blend), kind=kind))
        whole += [blend, part[TRANSITION:]]
    return np.concatenate(whole), tuple(boundaries)


def _dissolve(tail_PHWC: Pixels, head_PHWC: Pixels) -> Pixels:
    share = np.linspace(0, 1, len(tail_PHWC) + 2)[1:-1, None, None, None]
    return (tail_PHWC * (1 - share) + head_PHWC * share).astype(np.uint8)


def _fade(tail_PHWC: Pixels, head_PHWC: Pixels) -> Pixels:
    light = np.linspace(1, 0, len(tail_PHWC))[:, None, None, None]
    return np.concatenate([tail_PHWC * light, head_PHWC * light[::-1]]).astype(np.uint8)


def with_flash(pixels_PHWC: Pixels, place: int) -> Pixels:
    """Return a copy with one white frame."""
    copy = pixels_PHWC.copy()
    copy[place] = 255
    return copy


def with_bars(pixels_PHWC: Pixels, height: int) -> Pixels:
    """Return a copy with black bars of `height` pixels above and below."""
    return np.pad(pixels_PHWC, ((0, 0), (height, height), (0, 0), (0, 0)))


def with_text(pixels_PHWC: Pixels, text: str, *, place: float = 0.82, size: float = 0.09) -> Pixels:
    """Return a copy with white text with a black edge, centred, its top at `place` of the height."""
    height, width = pixels_PHWC.shape[1:3]
    layer = Image.new("RGBA", (width, height))
    draw, letters = ImageDraw.Draw(layer), ImageFont.load_default(max(6, round(size * height)))
    left = (width - draw.textlength(text, font=letters)) / 2
    edge = max(1, round(0.008 * height))
    draw.text((left, place * height), text, font=letters, fill="white", stroke_width=edge, stroke_fill="black")
    return _over(pixels_PHWC, np.asarray(layer), 1.0)


def with_logo(pixels_PHWC: Pixels, *, opacity: float = 0.6) -> Pixels:
    """Return a copy with a half transparent station logo in the upper right corner."""
    height, width = pixels_PHWC.shape[1:3]
    layer = Image.new("RGBA", (width, height))
    draw, letters = ImageDraw.Draw(layer), ImageFont.load_default(max(6, round(0.1 * height)))
    draw.text((0.72 * width, 0.05 * height), "ABC", font=letters, fill="white")
    return _over(pixels_PHWC, np.asarray(layer), opacity)


def _over(pixels_PHWC: Pixels, layer_HWA: NDArray[np.uint8], opacity: float) -> Pixels:
    alpha = layer_HWA[..., 3:] / 255 * opacity
    return (pixels_PHWC * (1 - alpha) + layer_HWA[..., :3] * alpha).astype(np.uint8)


def shaken(pixels_PHWC: Pixels, seed: int, amount: float = 0.05) -> Pixels:
    """Return a copy of a hand-held camera: each frame moved by up to `amount` of the side."""
    rng = np.random.default_rng(seed)
    reach = max(1, round(amount * pixels_PHWC.shape[1]))
    moves = rng.integers(-reach, reach + 1, (len(pixels_PHWC), 2))
    padded = np.pad(pixels_PHWC, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
    height, width = pixels_PHWC.shape[1:3]
    return np.stack(
        [
            frame[reach + y : reach + y + height, reach + x : reach + x + width]
            for frame, (y, x) in zip(padded, moves, strict=True)
        ]
    )


def foreign(frames: int, side: int, seed: int) -> Pixels:
    """Return a clip that is not of the storyworld: coloured noise that drifts."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    picture = np.asarray(Image.fromarray(coarse).resize((2 * side, 2 * side), Image.Resampling.BICUBIC))
    return np.stack([picture[index : index + side, index : index + side] for index in range(frames)])


def write(path: Path, pixels_PHWC: Pixels, fps: int, codec: str = "libx264") -> Path:
    """Write a video file of about the quality of a stream; return its path."""
    height, width = pixels_PHWC.shape[1:3]
    with open_writer(path, (width, height), fps, codec) as put:
        for picture in pixels_PHWC:
            put(picture)
    return path


@contextmanager
def open_writer(
    path: Path, size: tuple[int, int], fps: int, codec: str = "libx264", preset: str = ""
) -> Iterator[Callable[[Pixels], None]]:
    """Yield a function that takes the next frame (H, W, 3)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options={"preset": preset} if preset else {})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.bit_rate = 2_000_000
        yield lambda picture: container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def pair_scores(found: Sequence[str], truth: Sequence[str]) -> tuple[int, int, int]:
    """Return (pairs right, pairs found, pairs true) of two labellings of the same items."""
    right = made = true = 0
    for one, other in combinations(range(len(found)), 2):
        same, really = found[one] == found[other], truth[one] == truth[other]
        right, made, true = right + (same and really), made + same, true + really
    return right, made, true
