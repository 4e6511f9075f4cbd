"""Replacing a caption leaves every other byte alone."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onestory_cli.errors import OnestoryError
from onestory_cli.story.edit import caption_of, replace_caption
from onestory_cli.story.source import parse

STORY = """\
# a comment at the top
story: 1
title: "T"   # after a value
model: storyworld
shots:
  - id: plain
    caption: A city at night.  # after the caption
    seed: 3
  - id: block
    # before the caption
    caption: |
      Wide shot.
      $fox walks.

    # after the block
    seed: 4
  - {id: flow, caption: A beach., seed: 5}
  - id: quoted
    caption: "A \\"sign\\": stop."
  - id: last
    caption: >
      Folded text
      goes on.
"""


def edited(shot: str, caption: str, text: str = STORY) -> str:
    return replace_caption(text.encode(), "film.story.yaml", shot, caption).decode()


def changed_lines(before: str, after: str) -> list[str]:
    return sorted(
        (line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"),
        key=lambda line: line[0] == "+",
    )


ODD_CAPTIONS = [
    "# not a comment",
    "a: b",
    "- item",
    "'quoted'",
    '"',
    "no",
    "1:30",
    "| bar",
    "$x {y} [z]",
    "ثعلب",
    "a\n\nb",
]
REST = ("# a comment at the top", "# before the caption", "# after the block", "seed: 3", "seed: 4", "seed: 5")
BLOCK = """\
-       Wide shot.
-       $fox walks.
+       Close-up.
+       $fox waves."""
FLOW = """\
-   - {id: flow, caption: A beach., seed: 5}
+   - {id: flow, caption: "A beach, at dusk.", seed: 5}"""
PLAIN = """\
-     caption: A city at night.  # after the caption
+     caption: A city at noon.  # after the caption"""
QUOTED = """\
-     caption: "A \\"sign\\": stop."
+     caption: "Yes: no\""""
FOLDED = """\
-       Folded text
-       goes on.
+       New."""


@pytest.mark.parametrize(
    ("shot", "caption", "lines"),
    [
        ("plain", "A city at noon.", PLAIN),
        ("block", "Close-up.\n$fox waves.\n", BLOCK),
        ("flow", "A beach, at dusk.", FLOW),
        ("quoted", "Yes: no", QUOTED),
        ("last", "New.", FOLDED),
    ],
)
def test_only_the_caption_changes(shot: str, caption: str, lines: str) -> None:
    assert changed_lines(STORY, edited(shot, caption)) == lines.splitlines()


@pytest.mark.parametrize("shot", ["plain", "block", "flow", "quoted", "last"])
@pytest.mark.parametrize("caption", ODD_CAPTIONS)
def test_any_text_can_be_a_caption(shot: str, caption: str) -> None:
    after = edited(shot, caption)
    assert caption_of(parse(after.encode(), ""), shot).split() == caption.split()
    for line in (
        "# a comment at the top",
        "# before the caption",
        "# after the block",
        "seed: 3",
        "seed: 4",
        "seed: 5",
    ):
        assert line in after


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1).filter(str.strip))
def test_no_caption_changes_the_rest(caption: str) -> None:
    try:
        after = edited("block", caption)
    except OnestoryError:  # a character that no story may have
        return
    assert caption_of(parse(after.encode(), ""), "block").split() == caption.split()


def test_line_ends_stay() -> None:
    after = replace_caption(STORY.replace("\n", "\r\n").encode(), "", "block", "One.\nTwo.")
    assert b"\r\n      One.\r\n      Two.\r\n" in after
    assert after.count(b"\n") == after.count(b"\r\n")


def test_an_unknown_shot_is_refused() -> None:
    with pytest.raises(OnestoryError, match='no shot "gone"'):
        edited("gone", "x")
