from __future__ import annotations

import json
from pathlib import Path

import pytest

from onestory_cli.utils.text import (
    duration,
    format_frames,
    pluralize,
    printable,
    printable_json,
    shell_quote,
    shorten_middle,
    with_article,
)

ATTACKS = "\x1b[2J\r\n::error::\x85\u2028\u202e\u2066\u200f\u061c\x07\ud800"


def test_a_name_is_shortened_in_its_middle() -> None:
    assert shorten_middle("abcdef", 6) == "abcdef"
    assert shorten_middle("abcdefg", 6) == "abc…fg"


def test_a_path_becomes_one_shell_word() -> None:
    assert shell_quote(Path("films/kite.run")) == "films/kite.run"
    assert shell_quote(Path("my film.run")) == "'my film.run'"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (0.94, "0.9 s"),
        (9.96, "10 s"),
        (42.4, "42 s"),
        (59.7, "1:00"),
        (185, "3:05"),
        (3723, "1:02:03"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts_have_the_right_number() -> None:
    assert [pluralize(number, "shot") for number in (0, 1, 2)] == ["0 shots", "1 shot", "2 shots"]


def test_an_article_fits_its_phrase() -> None:
    assert [with_article(phrase) for phrase in ("red fox", "orange fox")] == ["a red fox", "an orange fox"]


def test_frames_are_grouped_by_source_in_their_order() -> None:
    assert format_frames([("a", 2), ("b", 0), ("a", 3)]) == "a[2,3], b[0]"
    assert format_frames([]) == ""


def test_printable_text_is_one_line_without_control_characters_and_direction_marks() -> None:
    text = printable(f"a\tb{ATTACKS}c")
    assert text == "a\tb\ufffd[2J\ufffd\ufffd::error::\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffdc"
    assert printable("Café 狐 שלום 👩‍🚀") == "Café 狐 שלום 👩‍🚀"


def test_printable_json_keeps_its_value() -> None:
    document = printable_json(json.dumps({"title": ATTACKS}, ensure_ascii=False))
    assert document == printable(document)
    assert json.loads(document) == {"title": ATTACKS}
