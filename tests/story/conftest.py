"""Stories in a few lines, and what is found in them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from onestory_cli.errors import Diagnostic, Findings
from onestory_cli.story.load import read_story
from onestory_cli.story.types import Story

Read = Callable[..., Story]
Found = Callable[..., list[str]]
HEAD = "story: 1\ntitle: A Test\n"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """A story from its lines after the title, read as if it stood in `tmp_path`."""

    def make(text: str, **options: object) -> Story:
        data = HEAD + textwrap.dedent(text)
        story, _ = read_story(data.encode(), str(tmp_path / "a.story.yaml"), **options)  # type: ignore[arg-type]
        return story

    return make


@pytest.fixture
def findings(tmp_path: Path) -> Callable[..., tuple[Diagnostic, ...]]:
    """All findings of such a story, errors and warnings."""

    def find(text: str, **options: object) -> tuple[Diagnostic, ...]:
        data = HEAD + textwrap.dedent(text)
        try:
            return read_story(data.encode(), str(tmp_path / "a.story.yaml"), **options)[1]  # type: ignore[arg-type]
        except Findings as fault:
            return fault.diagnostics

    return find


@pytest.fixture
def found(findings: Callable[..., tuple[Diagnostic, ...]]) -> Found:
    """The codes of all findings of such a story, in order."""
    return lambda text, **options: [item.code for item in findings(text, **options)]
