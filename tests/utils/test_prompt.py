"""Captions are cleaned as the Wan team's tokenizer does."""

from __future__ import annotations

import pytest

from onestory_cli.models.bases import NEGATIVE, NEGATIVE_I2V
from onestory_cli.planning.planner import clean_prompt


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("A fox walks.", "A fox walks."),
        ("  A\tfox\n walks.  ", "A fox walks."),
        ("\u201cFox\u201d isn\u2019t here\u2026", '"Fox" isn\'t here\u2026'),
        ("sch\u00c3\u00b6n", "sch\u00f6n"),
        ("Tom &amp;amp; Jerry &lt;3", "Tom & Jerry <3"),
        ("\u82b1\uff0c\u6708", "\u82b1,\u6708"),
        ("a\u00a0b", "a b"),
    ],
)
def test_clean_prompt(text: str, clean: str) -> None:
    assert clean_prompt(text) == clean


def test_the_negative_prompts_of_the_catalog_are_clean() -> None:
    assert [clean_prompt(text) for text in (NEGATIVE, NEGATIVE_I2V)] == [NEGATIVE, NEGATIVE_I2V]
