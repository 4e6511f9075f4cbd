from __future__ import annotations

import pytest

from onestory_cli.importers.names import Names, slug


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Maya", "maya"),
        ("Café de la Paix", "cafe-de-la-paix"),
        ("GUARD #2", "guard-2"),
        ("2nd Guard", "nd-guard"),
        ("O'Neil", "oneil"),
        ("浜辺", ""),
        ("--", ""),
        ("a" * 39 + " b", "a" * 39),
    ],
)
def test_slugs(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_ids_are_unique() -> None:
    names = Names()
    given = [names.new(name, otherwise="place") for name in ("Hut", "hut!", "Hut 2", "HUT", "浜", "森")]
    assert given == ["hut", "hut-2", "hut-2-2", "hut-3", "place", "place-2"]


def test_ids_that_windows_reserves_get_a_number() -> None:
    names = Names()
    assert [names.new(name, otherwise="shot") for name in ("CON", "nul", "Aux", "Console")] == [
        "con-2", "nul-2", "aux-2", "console",
    ]  # fmt: skip
