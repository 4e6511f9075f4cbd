"""`--set` overrides: edit values in the text of a story."""

from __future__ import annotations

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.story.overrides import Override, apply_overrides
from onestory_cli.story.source import parse

STORY = """\
story: 1  # a comment
title: The Lost Kite
defaults:
  duration: 2s
characters:
  fox: {look: a red fox}
shots:
  - id: opening
    caption: |
      $fox walks.

    memory:
      frames: 3  # three
  - {id: city, caption: A city., steps: 8}
"""


def changed(*settings: str, story: str = STORY) -> str:
    return apply_overrides(story.encode(), "film.story.yaml", [Override.parse(text) for text in settings]).decode()


@pytest.mark.parametrize(
    ("setting", "old", "new"),
    [
        ("title=Dawn", "The Lost Kite", '"Dawn"'),
        ("seed=7", "shots:\n", "seed: 7\nshots:\n"),
        ("defaults.steps=4", "  duration: 2s", "  steps: 4\n  duration: 2s"),
        ("defaults.duration=1s", "2s", '"1s"'),
        ("output.scale=2", "shots:\n", "output: {scale: 2}\nshots:\n"),
        ("shots.city.steps=40", "steps: 8", "steps: 40"),
        ("shots.city.memory.frames=2", "steps: 8", "memory: {frames: 2}, steps: 8"),
        ("shots.opening.memory.frames=5", "frames: 3", "frames: 5"),
        ("shots.opening.memory.budget=0.5", "      frames: 3", "      budget: 0.5\n      frames: 3"),
        ("shots.opening.memory={frames: 0}", "frames: 3  # three", "{frames: 0}"),
        ("shots.opening.caption=A hat: red", "|\n      $fox walks.", '"A hat: red"'),
        ("shots.opening.steps=40", "    memory:", "    steps: 40\n    memory:"),
        ("characters.fox.look=a blue fox", "a red fox", '"a blue fox"'),
        ("characters.*.again=it", "look: a red", 'again: "it", look: a red'),
    ],
)
def test_an_override_changes_one_value_and_no_other_byte(setting: str, old: str, new: str) -> None:
    assert changed(setting) == STORY.replace(old, new, 1)
    parse(changed(setting).encode(), "film.story.yaml")


def test_a_star_matches_all_shots() -> None:
    story = parse(changed("shots.*.steps=40").encode(), "film.story.yaml").value
    assert isinstance(story, dict)
    assert [shot["steps"] for shot in story["shots"]] == [40, 40]


def test_overrides_apply_in_order() -> None:
    text = changed("output.scale=2", "output.crf=20")
    assert "output: {crf: 20, scale: 2}\n" in text


def test_overrides_create_missing_maps() -> None:
    assert changed("defaults.steps=4", story="story: 1\ndefaults:\nshots: []\n") == (
        "story: 1\ndefaults: {steps: 4}\nshots: []\n"
    )
    assert changed("defaults.steps=4", story="story: 1\ndefaults: {}\n") == "story: 1\ndefaults: {steps: 4}\n"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("steps", "is not PATH=VALUE"),
        ("shots..steps=4", "is not PATH=VALUE"),
        ("shots.opnening.steps=4", '"opnening" not found'),
        ("profiles.*.steps=4", "matches nothing"),
        ("title.x=4", "is not a map"),
    ],
)
def test_overrides_that_match_nothing_are_refused(setting: str, message: str) -> None:
    with pytest.raises(OnestoryError, match=message) as caught:
        changed(setting)
    assert caught.value.code == "B802"
    assert caught.value.help
