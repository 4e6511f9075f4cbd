"""A film with subtitles and two takes of its first shot, rendered without weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.export.cut import Cut, read_cut
from onestory_cli.planning.compile import compile_story
from onestory_cli.store.run import Run
from tests.commands.conftest import Onestory, change, onestory, story
from tests.films import render_with

__all__ = ["Onestory", "onestory", "story"]  # fixtures

SAID = "The kite -->\n{gone} & <b>lost</b>?"


@pytest.fixture
def subtitled(story: Path) -> Path:
    """The story with subtitles for its first and last shot, and a middle shot of another length."""
    change(
        story,
        "walks right on $beach.",
        f"walks right on $beach.\n    subtitle: |\n      {SAID.replace(chr(10), chr(10) * 2 + '      ')}",
    )
    change(story, "A city at night.", "A city at night.\n    frames: 9")
    change(story, "waves on $beach.", "waves on $beach.\n    subtitle: Über allem")
    return story


@pytest.fixture
def run(subtitled: Path) -> Path:
    """Its run directory, with a second take of `opening` that is not accepted."""
    plan, _ = compile_story(subtitled)
    folder = subtitled.with_name("film.run")
    render_with(plan, folder, takes={"opening": 2})
    return folder


@pytest.fixture
def cut(run: Path) -> Cut:
    return read_cut(Run.open(run))
