from __future__ import annotations

import pytest

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


def test_a_misspelt_reference_does_not_make_a_character_unused(found: Found) -> None:
    assert found(CAST + "shots: [{id: a, caption: $foks waves on $beach.}]") == ["S104"]


def test_schema_errors_suppress_warnings(found: Found) -> None:
    assert found(CAST + "shots: [{id: a, captoin: $fox waves on $beach.}]") == ["S120"]


def test_other_errors_keep_warnings(found: Found) -> None:
    assert found(CAST + "shots: [{id: a, caption: $fox waves for $5.}]") == ["W303", "S140"]
