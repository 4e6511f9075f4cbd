from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.story.conftest import Found


@pytest.mark.parametrize(
    ("first", "second", "codes"),
    [
        ("The same fox waves.", "A fox.", ["W301"]),
        ("A fox.", "The same fox waves.", []),
        ("A fox.", "The same bear waves.", ["W301"]),
        ("A fox.", "At the same time a bear waves.", []),
        ("A fox. The same fox waves.", "A fox.", []),
        ("A fox waves again.", "A fox waves again.", ["W301"]),
        ("Back in a forest.", "Back in a forest.", ["W301"]),
        ("A fox on its back.", "A fox against a tree.", []),
        ("The same fox, again, back in the same forest.", "A fox.", ["W301"]),
    ],
)
def test_phrases_that_refer_to_nothing(found: Found, first: str, second: str, codes: list[str]) -> None:
    text = f"shots:\n  - {{id: a, caption: '{first}'}}\n  - {{id: b, caption: '{second}'}}\n"
    assert found(text) == codes


CAST = "characters: {fox: {look: a red fox}}\nsettings: {beach: {look: a beach}}\n"


@pytest.mark.parametrize(
    ("memory", "codes"),
    [
        ("{}", []),
        ("{from: [a]}", []),
        ("{from: [b]}", ["W304"]),
        ("{from: [b, c]}", []),
        ("{from: []}", ["W304"]),
        ("{frames: 0}", ["W304"]),
        ("{budget: 0}", ["W304"]),
        ("{policy: none}", ["W304"]),
        ("{policy: last}", []),
        ("{policy: last, from: [a, b]}", ["W304"]),
        ("{policy: recent}", []),
    ],
)
def test_references_to_what_no_visible_shot_shows(found: Found, memory: str, codes: list[str]) -> None:
    text = f"""
shots:
  - {{id: a, caption: $fox waves on $beach.}}
  - {{id: b, caption: $beach.}}
  - {{id: c, caption: $fox!.}}
  - {{id: d, caption: $fox jumps., memory: {memory}}}
"""
    assert found(CAST + text) == codes


def test_a_reference_picture_counts_as_memory(found: Found, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "fox.png")
    text = """
    characters: {fox: {look: a red fox, image: fox.png}}
    shots:
      - {id: a, caption: $fox waves.}
      - {id: b, caption: $fox jumps. The same fox., memory: {from: []}}
      - {id: c, caption: $fox jumps., memory: {policy: none}}
    """
    assert found(text) == ["W304"]


def test_a_misspelt_reference_does_not_make_a_character_unused(found: Found) -> None:
    assert found(CAST + "shots: [{id: a, caption: $foks waves on $beach.}]") == ["S104"]


def test_schema_errors_suppress_warnings(found: Found) -> None:
    assert found(CAST + "shots: [{id: a, captoin: $fox waves on $beach.}]") == ["S120"]


def test_other_errors_keep_warnings(found: Found) -> None:
    assert found(CAST + "shots: [{id: a, caption: $fox waves for $5.}]") == ["W303", "S140"]
