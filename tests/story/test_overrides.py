"""Values that are put into a story from outside."""

from __future__ import annotations

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.story.overrides import Setting, with_settings
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
    return with_settings(story.encode(), "film.story.yaml", [Setting.of(text) for text in settings]).decode()


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
def test_one_value_changes_and_the_rest_stays_byte_for_byte(setting: str, old: str, new: str) -> None:
    assert changed(setting) == STORY.replace(old, new, 1)
    parse(changed(setting).encode(), "film.story.yaml")


def test_a_star_stands_for_all_shots() -> None:
    story = parse(changed("shots.*.steps=40").encode(), "film.story.yaml").value
    assert isinstance(story, dict)
    assert [shot["steps"] for shot in story["shots"]] == [40, 40]


def test_settings_build_on_each_other() -> None:
    text = changed("output.scale=2", "output.crf=20")
    assert "output: {crf: 20, scale: 2}\n" in text


def test_values_that_are_not_there_yet() -> None:
    assert changed("defaults.steps=4", story="story: 1\ndefaults:\nshots: []\n") == (
        "story: 1\ndefaults: {steps: 4}\nshots: []\n"
    )
    assert changed("defaults.steps=4", story="story: 1\ndefaults: {}\n") == "story: 1\ndefaults: {steps: 4}\n"


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("steps", "is not PATH=VALUE"),
        ("shots..steps=4", "is not PATH=VALUE"),
        ("shots.opnening.steps=4", 'names "opnening"'),
        ("profiles.*.steps=4", "names nothing"),
        ("title.x=4", "is no map"),
    ],
)
def test_what_fits_nowhere_is_refused(setting: str, says: str) -> None:
    with pytest.raises(OnestoryError, match=says) as caught:
        changed(setting)
    assert caught.value.code == "B802"
    assert caught.value.help
