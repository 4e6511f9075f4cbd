from __future__ import annotations

from collections.abc import Callable

import pytest

from onestory_cli.errors import Diagnostic
from tests.story.conftest import Found

Findings = Callable[..., tuple[Diagnostic, ...]]


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


def test_schema_errors_keep_warnings_about_single_texts(found: Found) -> None:
    text = "characters: {fox: {look: a red fox.}}\nshots: [{id: a, captoin: x, steps: 0, caption: $fox waves.}]"
    assert found(text) == ["W309", "S120", "S125"]


@pytest.mark.parametrize(
    ("look", "caption", "codes"),
    [
        ("a red fox", "The fox waves.", ["W302", "W312"]),
        ("a red fox", "$fox waves. The fox is happy.", []),
        ("a red fox", "Foxes wave, foxy, a fox-trot.", ["W302"]),
        ("'Rex, a tall man'", "A rex waves.", ["W302"]),
        ("'Rex, a tall man'", "Rex waves.", ["W302", "W312"]),
    ],
)
def test_a_name_without_a_dollar_sign(found: Found, look: str, caption: str, codes: list[str]) -> None:
    assert found(f"characters: {{fox: {{look: {look}}}}}\nshots: [{{id: a, caption: '{caption}'}}]") == codes


def test_a_look_that_is_only_a_name_is_not_repeated_by_again(found: Found) -> None:
    shots = "shots: [{id: a, caption: $tom waves.}]"
    assert found(f"characters: {{tom: {{look: Tom}}}}\n{shots}") == []
    assert found(f"characters: {{tom: {{look: Tom, again: Tom}}}}\n{shots}") == ["W306"]


def test_names_without_a_dollar_sign_are_one_finding_per_character(findings: Findings) -> None:
    text = """
    characters: {fox: {look: a red fox}}
    shots:
      - {id: a, caption: $fox waves.}
      - {id: b, caption: On $$5 the fox jumps.}
      - {id: c, caption: A fox.}
    """
    (finding,) = findings(text)
    assert finding.message == '"fox" in shot "b" and 1 more is written without a dollar sign'
    assert finding.place
    assert (finding.place.line, finding.place.column) == (7, 33)


def test_other_errors_keep_warnings(found: Found) -> None:
    assert found(CAST + "shots: [{id: a, caption: $fox waves for $5.}]") == ["W303", "S140"]
