"""Fixtures that read short stories and return their findings."""

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
    """A function that reads a story in `tmp_path` from its lines after the title."""

    def make(text: str, **options: object) -> Story:
        data = HEAD + textwrap.dedent(text)
        story, _ = read_story(data.encode(), str(tmp_path / "a.story.yaml"), **options)  # type: ignore[arg-type]
        return story

    return make


@pytest.fixture
def findings(tmp_path: Path) -> Callable[..., tuple[Diagnostic, ...]]:
    """A function that returns all findings of such a story."""

    def find(text: str, **options: object) -> tuple[Diagnostic, ...]:
        data = HEAD + textwrap.dedent(text)
        try:
            return read_story(data.encode(), str(tmp_path / "a.story.yaml"), **options)[1]  # type: ignore[arg-type]
        except Findings as fault:
            return fault.diagnostics

    return find


@pytest.fixture
def found(findings: Callable[..., tuple[Diagnostic, ...]]) -> Found:
    """A function that returns the codes of all findings, in order."""
    return lambda text, **options: [item.code for item in findings(text, **options)]
