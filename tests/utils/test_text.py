from __future__ import annotations

from pathlib import Path

from onestory_cli.utils.text import cut, quoted


def test_a_name_is_cut_in_its_middle() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abc…fg"


def test_a_path_is_one_word_of_a_command_line() -> None:
    assert quoted(Path("films/kite.run")) == "films/kite.run"
    assert quoted(Path("my film.run")) == "'my film.run'"
