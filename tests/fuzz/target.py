"""What must hold for any bytes that claim to be a story: they are read and planned, or refused by a coded error."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from onestory_cli.codes import CODES
from onestory_cli.console import github_annotation
from onestory_cli.errors import Diagnostic, OnestoryError, format_concise, format_full
from onestory_cli.planning.planner import make_plan
from onestory_cli.story.load import read_story
from tests.specs import SPEC

BASE = SPEC.with_fields(adapter="", words=("fox", "waves", "beach", "walks"))  # what is said of bases is tried too
NOWHERE = "/nonexistent/film.story.yaml"  # so that no picture of any story is there


def check(data: bytes) -> None:
    """Read and plan a story.

    Raises:
        AssertionError: a finding without a known code, with a place outside of the text, or that a terminal would obey.
    """
    for profile in (None, "draft"):
        try:
            story, warnings = read_story(data, NOWHERE, profile=profile)
            plan, more = make_plan(story, BASE)
        except OnestoryError as fault:
            findings = fault.diagnostics
        else:
            assert len(plan.jobs) == len(story.shots) > 0
            findings = (*warnings, *more)
            assert all(item.severity == "warning" for item in findings)
        for item in findings:
            check_finding(item, data)


def check_finding(item: Diagnostic, data: bytes) -> None:
    assert item.code in CODES, item
    assert item.severity == CODES[item.code].severity, item
    assert item.help or item.severity == "error", item
    assert len(item.message) < 1000, item
    for text in (format_full(item), format_concise(item), github_annotation(item)):
        assert not any(_obeyed(char) for char in text), item
    if item.place:
        assert 1 <= item.place.line <= data.count(b"\n") + data.count(b"\r") + 1, item
        assert item.place.column >= 1, item
        assert item.place.length >= 1, item


def _obeyed(char: str) -> bool:
    """Whether a terminal acts on a character instead of showing it, or shows it elsewhere."""
    return char not in "\n\t" and (unicodedata.category(char) == "Cc" or char in "\u202a\u202b\u202d\u202e\u2066\u2067")


def corpus() -> list[Path]:
    """The inputs that are kept: each of them reached code that no other one reached, or was a finding once."""
    return sorted((Path(__file__).parent / "corpus").iterdir())
