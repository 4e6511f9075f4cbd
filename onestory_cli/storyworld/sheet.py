"""Contact sheets: the middle frame of each shot above its caption."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.world import WorldConfig, WorldStory

_CELL = 192
_TEXT_HEIGHT = 64
_MARGIN = 4


def contact_sheet(stories: Sequence[WorldStory], config: WorldConfig) -> Image.Image:
    """Return a sheet with one row per story; frames are scaled to 192 pixels without smoothing."""
    columns = max(len(story.shots) for story in stories)
    sheet = Image.new("RGB", (columns * _CELL, len(stories) * (_CELL + _TEXT_HEIGHT)), (250, 248, 244))
    for row, story in enumerate(stories):
        top = row * (_CELL + _TEXT_HEIGHT)
        for column, shot in enumerate(story.shots):
            frame = render_shot(shot, config).pixels_THWC[config.frames // 2]
            picture = Image.fromarray(frame).resize((_CELL - _MARGIN, _CELL - _MARGIN), Image.Resampling.NEAREST)
            sheet.paste(picture, (column * _CELL, top))
            _write(sheet, shot.caption, (column * _CELL, top + _CELL))
    return sheet


def _write(sheet: Image.Image, caption: str, corner: tuple[int, int]) -> None:
    text = "\n".join(textwrap.wrap(caption, width=32))
    ImageDraw.Draw(sheet).multiline_text(corner, text, fill=(30, 24, 36), font=ImageFont.load_default(size=11))
