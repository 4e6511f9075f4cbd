from __future__ import annotations

import pytest

from onestory_cli.errors import Findings
from onestory_cli.story.text import MAX_ALIKE, MAX_BYTES, Text, decode


def codes(data: bytes) -> list[str]:
    with pytest.raises(Findings) as caught:
        decode(data, "a.story.yaml")
    return [item.code for item in caught.value.diagnostics]


def test_places_count_characters_from_one() -> None:
    text = Text.of("a", "erste\r\nzwölf 🦊 fox\rlast\n")
    place = text.place(text.content.index("fox"), text.content.index("fox") + 3)
    assert (place.line, place.column, place.length, place.source_line) == (2, 9, 3, "zwölf 🦊 fox")
    assert text.place(text.content.index("last"), 99).line == 3


def test_a_span_over_lines_is_marked_on_its_first_line() -> None:
    place = Text.of("a", "key: |\n  one\n  two\n").place(5, 18)
    assert (place.line, place.length) == (1, 1)


def test_a_very_long_line_is_not_quoted() -> None:
    place = Text.of("a", "x" * 1_000_000).place(999_000, 999_010)
    assert (place.column, place.source_line) == (999_001, "")


def test_too_large() -> None:
    assert codes(b"a" * (MAX_BYTES + 1)) == ["S113"]


def test_findings_of_a_binary_file_are_limited() -> None:
    assert codes(bytes(range(1, 32)) * 100) == ["S103"] * MAX_ALIKE


@pytest.mark.parametrize("data", [b"", b" \n\n", b"\xef\xbb\xbf\n"])
def test_empty(data: bytes) -> None:
    assert codes(data) == ["S112"]


def test_all_text_findings_are_reported_together() -> None:
    assert codes(b"\xef\xbb\xbfstory: 1\n\tx: \x01\n") == ["S105", "S103", "S108"]


def test_tabs_inside_a_line_are_text() -> None:
    assert decode(b"title: a\tb\n", "a").content == "title: a\tb\n"
