from __future__ import annotations

from onestory_cli.words import cut


def test_a_name_is_cut_in_its_middle() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abc…fg"
