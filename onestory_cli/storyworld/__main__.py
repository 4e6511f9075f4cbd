"""``python -m onestory_cli.storyworld sample``: contact sheets of random stories."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from onestory_cli.storyworld.sheet import contact_sheet
from onestory_cli.storyworld.stories import make_story, patterns_of
from onestory_cli.storyworld.vocabulary import VERSIONS
from onestory_cli.storyworld.world import WorldConfig

_STORIES_PER_SHEET = 8


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


if __name__ == "__main__":
    main()
