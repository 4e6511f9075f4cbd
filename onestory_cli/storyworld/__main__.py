"""``python -m onestory_cli.storyworld sample``: contact sheets of random stories."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.stories import make_story, patterns_of
from onestory_cli.storyworld.vocabulary import VERSIONS
from onestory_cli.storyworld.world import WorldConfig, WorldStory

_STORIES_PER_SHEET = 8
_CELL = 192  # pixels per frame
_TEXT_HEIGHT = 64
_MARGIN = 4


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments and write the sheets."""
    parser = argparse.ArgumentParser(prog="python -m onestory_cli.storyworld", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    sample = commands.add_parser("sample", help="write PNG contact sheets of random stories")
    sample.add_argument("--stories", type=int, default=8)
    sample.add_argument("--shots", type=int, default=6)
    sample.add_argument("--pattern", choices=patterns_of(max(VERSIONS)))
    sample.add_argument("--version", type=int, choices=VERSIONS, default=1, help="version of the world")
    sample.add_argument("--out", type=Path, required=True, help="folder for the sheets")
    sample.add_argument("--size", type=int, default=64, help="frame height and width in pixels")
    sample.add_argument("--seed", type=int, default=0, help="seed of the first story")
    options = parser.parse_args(arguments)
    config = WorldConfig(size=options.size, version=options.version)
    options.out.mkdir(parents=True, exist_ok=True)
    for first in range(0, options.stories, _STORIES_PER_SHEET):
        numbers = range(first, min(first + _STORIES_PER_SHEET, options.stories))
        stories = [
            make_story(options.seed + number, config, shots=options.shots, pattern=options.pattern)
            for number in numbers
        ]
        path = options.out / f"stories-{options.seed + first:04d}.png"
        contact_sheet(stories, config).save(path)
        print(path)


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


if __name__ == "__main__":
    main()
