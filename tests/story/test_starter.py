from __future__ import annotations

import pytest

from onestory_cli.story.load import read_story
from onestory_cli.story.starter import starter_story


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("my-film", "My Film"),
        ("1984", "1984"),
        ("no", "No"),
        ('a "b": {c}', 'A "B": {C}'),
        ("-", "Untitled"),
        ("a\nb", "Ab"),
    ],
)
def test_the_starter_story_has_no_findings(name: str, title: str) -> None:
    story, warnings = read_story(starter_story(name).encode(), f"{name}.story.yaml")
    assert (story.title, len(story.shots), warnings) == (title, 3, ())


def test_commands_in_comments_can_be_pasted() -> None:
    assert "onestory render 'my film.story.yaml'" in starter_story("my film")
