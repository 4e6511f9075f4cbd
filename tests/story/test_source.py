from __future__ import annotations

import re
import time
from contextlib import suppress

import pytest

from onestory_cli.errors import Diagnostic, Findings
from onestory_cli.story import source
from onestory_cli.story.source import StorySource, parse


def read(text: str) -> StorySource:
    return parse(text.encode(), "a.story.yaml")


def refused(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(Findings) as caught:
        read(text)
    return caught.value.diagnostics


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("", None),
        ("7", 7),
        ("-7", -7),
        ("0", 0),
        ("2.50", 2.5),
        ("-0.5", -0.5),
        *((text, text) for text in ("yes", "no", "on", "True", "NULL", "~", "1:30", "010", "0x1f", "0o17", "1e3")),
        *((text, text) for text in ("1_000", "+1", ".5", "5.", ".inf", ".nan", "2s", "64x64", "2024-01-01", "=")),
        ('"true"', "true"),
        ("'7'", "7"),
        ("|\n  true", "true"),
    ],
)
def test_scalars(written: str, value: object) -> None:
    found = read(f"key: {written}").value
    assert found == {"key": value}
    assert type(found["key"]) is type(value)  # 1 == True


def test_keys_are_text() -> None:
    assert read("no: 1\n7: 2\ntrue: 3\n1.50: 4\n").value == {"no": 1, "7": 2, "true": 3, "1.50": 4}


def test_places_of_keys_and_values() -> None:
    story = read("shots:\n  - id: return\n    caption: |\n      $fox\n      waves\n    memory: {from: [a, bb]}\n")
    where = {
        "value": story.place(("shots", 0, "id")),
        "key": story.key_place(("shots", 0, "id")),
        "block text": story.place(("shots", 0, "caption")),
        "item": story.place(("shots", 0, "memory", "from", 1)),
        "map in a list": story.place(("shots", 0)),
        "not there": story.place(("shots", 0, "memory", "policy")),
    }
    assert {name: (place.line, place.column, place.length) for name, place in where.items()} == {
        "value": (2, 9, 6),
        "key": (2, 5, 2),
        "block text": (3, 5, 7),
        "item": (6, 24, 2),
        "map in a list": (2, 5, 10),
        "not there": (6, 13, 15),
    }


@pytest.mark.parametrize(
    "text",
    [
        "caption: $a, $b\n",
        "caption: '$a, $b'\n",
        "caption: |\n  $a,\n  $b\n",
        "caption: >-\n\n  $a,\n  $b\n",
        "caption: $a,\n  $b\n",
    ],
)
def test_places_inside_text(text: str) -> None:
    place = read(text).place_inside(("caption",), re.compile(r"\$\w"), 1)
    lines = text.splitlines()
    assert lines[place.line - 1][place.column - 1 :].startswith("$b")


def test_the_first_of_duplicate_keys_is_kept() -> None:
    story = read("a: {b: 1}\na: {b: 2, c: 3}\nd: 4\nd: 5\n")
    assert story.value == {"a": {"b": 1}, "d": 4}
    assert [item.code for item in story.findings] == ["S109", "S109"]
    assert story.place(("a", "b")).line == 1


def test_aliases_never_multiply() -> None:
    laughs = "a: &a [x, x, x]\n" + "".join(f"{key}: &{key} [*a, *a, *a]\n" for key in "bcdefgh")
    assert {item.code for item in read(laughs).findings} == {"S110"}


def test_a_comment_that_cuts_off_text() -> None:
    story = read("a: one # two\nb: one  # two\nc: 'one' # two\n")
    place = story.comment_place(("a",))
    assert place is not None
    assert (place.line, place.column) == (1, 8)
    assert story.comment_place(("b",)) is None
    assert story.comment_place(("c",)) is None


def test_too_many_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_VALUES", 10)
    assert read("note: [1, 2, 3, 4, 5, 6, 7, 8]").findings == ()
    assert [item.code for item in refused("note: [1, 2, 3, 4, 5, 6, 7, 8, 9]")] == ["S113"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("brackets", "[" * 1_000_000),
        ("braces", "{a: " * 500_000),
        ("dashes", "- " * 500_000),
        ("questions", "? " * 500_000),
        ("indented", "\n".join(" " * depth + "a:" for depth in range(2000))),
        ("plain", "a: " + "b\n  " * 700_000),
        ("comment", "#" * 4_000_000),
        ("quotes", "'" * 4_000_000),
        ("anchors", "&a " * 1_000_000),
        ("digits", "a: " + "9" * 4_000_000),
    ],
)
def test_hostile_files_are_parsed_quickly(name: str, text: str) -> None:
    start = time.process_time()
    with suppress(Findings):
        read(text)
    assert time.process_time() - start < 2
