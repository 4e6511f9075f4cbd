"""Draw a contact sheet: one film strip per shot, followed by the frames in its memory.

Lengths are in pixels of the picture. Shapes: H W 3, one picture.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from onestory_cli.media.fonts import Face, faces_for, reads_from_right
from onestory_cli.media.strip import (
    CAPTION,
    CLEAR,
    EDGE,
    FILM,
    GUTTER,
    LIGHT,
    TITLE,
    fit_text,
    perforation,
    rounded,
    wrap_text,
)

_TEXT = 260  # width of the column of texts
_HEIGHT = 128  # of a frame of the shot: twice the 64 pixels of the embedded model
_MIN_LABEL = 64  # width of a remembered picture's label
_BETWEEN = 12  # pictures
_LINES, _PITCH = 4, 20  # of a caption; from one line to the next


@dataclass(frozen=True, kw_only=True)
class RememberedPicture:
    """A remembered frame (H, W, 3) uint8, its source and index; `share` is its height relative to a frame."""

    source: str
    index: int
    pixels_HW3: np.ndarray
    share: float


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """One shot: texts, frames (H, W, 3) uint8, and remembered frames, most relevant first."""

    title: str
    caption: str
    note: str
    frames: Sequence[np.ndarray]
    remembered: Sequence[RememberedPicture] = ()


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """The sheet as a PNG; `unwritten` are caption characters that no font has."""

    png: bytes
    unwritten: str


def contact_sheet(rows: Sequence[SheetRow]) -> Sheet:
    """Draw a row per shot on a transparent background."""
    assert rows, "a sheet has at least one row"
    faces = faces_for([row.caption for row in rows])
    middle = max(sum(_width(frame, _HEIGHT) + _BETWEEN for frame in row.frames) for row in rows)
    right = max(sum(_cell(item) + _BETWEEN for item in row.remembered) for row in rows)
    size = 2 * GUTTER + _TEXT + GUTTER + middle + GUTTER + right, 2 * EDGE + _HEIGHT
    sheet = Image.new("RGBA", (size[0], len(rows) * (size[1] + GUTTER) - GUTTER), CLEAR)
    for number, (row, face) in enumerate(zip(rows, faces, strict=True)):
        strip = _strip(row, face, size, remembered_from=GUTTER + _TEXT + GUTTER + middle + GUTTER)
        sheet.paste(strip, (0, number * (size[1] + GUTTER)))
    stream = io.BytesIO()
    sheet.save(stream, format="PNG", optimize=True)
    unwritten = "".join(face.lacks(row.caption) for row, face in zip(rows, faces, strict=True))
    return Sheet(png=stream.getvalue(), unwritten="".join(dict.fromkeys(unwritten)))


def _strip(row: SheetRow, face: Face, size: tuple[int, int], *, remembered_from: int) -> Image.Image:
    strip = Image.new("RGBA", size, CLEAR)
    strip.paste(FILM, mask=rounded(size, 8))
    strip.paste(LIGHT, mask=perforation(size))
    draw = ImageDraw.Draw(strip)
    _write(draw, row, face)
    left = GUTTER + _TEXT + GUTTER
    for frame in row.frames:
        left += _show(strip, frame, (left, EDGE), _HEIGHT) + _BETWEEN
    _show_remembered(strip, draw, row.remembered, remembered_from)
    return strip


def _write(draw: ImageDraw.ImageDraw, row: SheetRow, face: Face) -> None:
    title, note, caption = ImageFont.load_default(20), ImageFont.load_default(13), face.load(15)
    draw.text((GUTTER, EDGE), fit_text(row.title, title, _TEXT), font=title, fill=TITLE)
    side, anchor = (GUTTER + _TEXT, "rs") if reads_from_right(row.caption) else (GUTTER, "ls")
    for number, line in enumerate(wrap_text(face.replace_missing(row.caption), caption, _TEXT, most=_LINES)):
        draw.text((side, EDGE + 45 + _PITCH * number), line, font=caption, fill=LIGHT, anchor=anchor)
    draw.text((GUTTER, EDGE + _HEIGHT - 15), fit_text(row.note, note, _TEXT), font=note, fill=CAPTION)


def _show_remembered(
    strip: Image.Image, draw: ImageDraw.ImageDraw, items: Sequence[RememberedPicture], left: int
) -> None:
    font = ImageFont.load_default(12)
    if items:
        draw.line((left - GUTTER, EDGE, left - GUTTER, EDGE + _HEIGHT), fill=CAPTION, width=1)
    for item in items:
        cell, height = _cell(item), round(item.share * _HEIGHT)
        top = EDGE + (_HEIGHT - height - 18) // 2
        _show(strip, item.pixels_HW3, (left + (cell - _width(item.pixels_HW3, height)) // 2, top), height)
        number = f" {item.index}"
        label = fit_text(item.source, font, cell - int(font.getlength(number)))
        draw.text((left + cell / 2, top + height + 5), label + number, font=font, fill=CAPTION, anchor="ma")
        left += cell + _BETWEEN


def _cell(item: RememberedPicture) -> int:
    return max(_MIN_LABEL, _width(item.pixels_HW3, round(item.share * _HEIGHT)))


def _width(pixels_HW3: np.ndarray, height: int) -> int:
    """Width of a picture scaled to `height`."""
    return round(pixels_HW3.shape[1] * height / pixels_HW3.shape[0])


def _show(strip: Image.Image, pixels_HW3: np.ndarray, corner: tuple[int, int], height: int) -> int:
    """Paste a picture scaled to `height` and return its width; small pictures keep sharp pixels."""
    size = _width(pixels_HW3, height), height
    resampling = Image.Resampling.NEAREST if pixels_HW3.shape[0] <= height else Image.Resampling.LANCZOS
    strip.paste(Image.fromarray(pixels_HW3).resize(size, resampling), corner, mask=rounded(size, 5))
    return size[0]
