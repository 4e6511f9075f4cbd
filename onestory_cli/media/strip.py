"""Draw film strips with a frame per shot, for a README.

The background is transparent, to suit light and dark pages.
Lengths are in pixels of the picture. Shapes: H W 3, one frame.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from onestory_cli.media.fonts import Font

FILM = (30, 28, 34, 255)
LIGHT = (236, 232, 224, 255)  # holes and caption text
TITLE = (255, 196, 92, 255)  # amber, as edge numbers of film stock
CAPTION = (176, 172, 180, 255)
CLEAR = (0, 0, 0, 0)

EDGE = 36  # height of the band that holds the perforation
_HOLE, _PITCH = (18, 14), 36  # width and height of a hole; from one hole to the next
GUTTER = 18  # between frames, and from a frame to its text
_LINE = 22
_MAX_LINES = 3  # of a caption
_SMOOTH = 4  # antialiasing: round shapes are drawn this much larger, then reduced


@dataclass(frozen=True, kw_only=True)
class StripFrame:
    """One frame of a strip (H, W, 3) uint8, the id of its shot, and a caption or ""."""

    title: str
    caption: str
    pixels_HW3: np.ndarray


def film_strip(frames: Sequence[StripFrame], *, columns: int = 3, width: int = 256) -> bytes:
    """Draw frames, `columns` per strip, each about `width` pixels wide; return a PNG.

    Small frames are enlarged by a whole factor to keep pixels sharp. Frames are fitted into the shape of the first.
    """
    assert frames, "a strip has at least one frame"
    rows = [frames[start : start + columns] for start in range(0, len(frames), columns)]
    cell = _shown_size(frames[0].pixels_HW3, width)
    strips = [_draw_strip(row, cell) for row in rows]
    picture = Image.new("RGBA", (strips[0].width, sum(strip.height + GUTTER for strip in strips) - GUTTER), CLEAR)
    top = 0
    for strip in strips:
        picture.paste(strip, (0, top))
        top += strip.height + GUTTER
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def _shown_size(pixels_HW3: np.ndarray, width: int) -> tuple[int, int]:
    """Size at which a frame is drawn: the nearest whole multiple, or `width` for larger frames."""
    frame_height, frame_width, _ = pixels_HW3.shape
    if frame_width > width:
        return width, round(frame_height * width / frame_width)
    factor = round(width / frame_width)
    return frame_width * factor, frame_height * factor


def _draw_strip(frames: Sequence[StripFrame], cell: tuple[int, int]) -> Image.Image:
    cell_width, cell_height = cell
    titles, captions = ImageFont.load_default(19), ImageFont.load_default(16)
    texts = [wrap_text(frame.caption, captions, cell_width) for frame in frames]
    text_height = _LINE * (1 + max(len(lines) for lines in texts))
    size = GUTTER + len(frames) * (cell_width + GUTTER), 2 * EDGE + cell_height + GUTTER + text_height
    strip = Image.new("RGBA", size, CLEAR)
    strip.paste(FILM, mask=rounded(size, 8))
    strip.paste(LIGHT, mask=perforation(size))
    draw = ImageDraw.Draw(strip)
    for index, (frame, lines) in enumerate(zip(frames, texts, strict=True)):
        left, below = GUTTER + index * (cell_width + GUTTER), EDGE + cell_height + GUTTER // 2
        strip.paste(_shown(frame.pixels_HW3, cell), (left, EDGE), mask=rounded(cell, 6))
        draw.text((left, below), fit_text(frame.title, titles, cell_width), font=titles, fill=TITLE)
        draw.text((left, below + _LINE + 4), "\n".join(lines), font=captions, fill=CAPTION, spacing=5)
    return strip


def _shown(pixels_HW3: np.ndarray, cell: tuple[int, int]) -> Image.Image:
    enlarged = pixels_HW3.shape[1] <= cell[0]
    resampling = Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS
    return ImageOps.pad(Image.fromarray(pixels_HW3), cell, resampling, color=FILM[:3])


def wrap_text(text: str, font: Font, width: int, *, most: int = _MAX_LINES) -> list[str]:
    """Break a text into at most `most` lines between words; the last line is shortened.

    Words wider than a line are broken anywhere, as in scripts without spaces.
    """
    lines: list[str] = []
    for word, space in _pieces(text, font, width):
        longer = f"{lines[-1]}{space}{word}" if lines else word
        fits = font.getlength(longer) <= width
        if not lines or not (fits or len(lines) == most):
            lines.append(word)
            continue
        lines[-1] = longer
        if not fits:
            break  # fit_text shortens it; the rest may be long
    return [fit_text(line, font, width) for line in lines]


def _pieces(text: str, font: Font, width: int) -> Iterator[tuple[str, str]]:
    """The words of a text, wide ones character by character, each with its separator from the previous piece."""
    for word in text.split():
        if font.getlength(word) <= width:
            yield word, " "
            continue
        for number, letter in enumerate(word):
            yield letter, "" if number else " "


def fit_text(text: str, font: Font, width: int) -> str:
    """Shorten a text to one line of `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1].rstrip(" ,")
    return f"{text}…"


def perforation(size: tuple[int, int]) -> Image.Image:
    """Mask of the holes along both edges of a strip."""
    mask = Image.new("L", size, 0)
    hole = rounded(_HOLE, 4)
    count = size[0] // _PITCH
    first = (size[0] - count * _PITCH + _PITCH - _HOLE[0]) // 2
    inset = (EDGE - _HOLE[1]) // 2
    for index in range(count):
        for top in (inset, size[1] - inset - _HOLE[1]):
            mask.paste(hole, (first + index * _PITCH, top))
    return mask


def rounded(size: tuple[int, int], radius: int) -> Image.Image:
    """Mask of a rectangle with round corners."""
    large = Image.new("L", (size[0] * _SMOOTH, size[1] * _SMOOTH), 0)
    corner = large.width - 1, large.height - 1
    ImageDraw.Draw(large).rounded_rectangle((0, 0, *corner), radius * _SMOOTH, fill=255)
    return large.reduce(_SMOOTH)
