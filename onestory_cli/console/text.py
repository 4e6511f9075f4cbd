"""Texts for the console: styled, coloured, and as a workflow command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onestory_cli.errors import Diagnostic

if TYPE_CHECKING:
    from rich.console import RenderableType


def github_annotation(finding: Diagnostic) -> str:
    """A finding as a workflow command, which GitHub shows at its line of the pull request."""
    place = finding.place
    where = f"file={_property(place.path)},line={place.line},col={place.column}," if place else ""
    text = finding.message + (f"\n{finding.help}" if finding.help else "")
    return f"::{finding.severity} {where}title={_property(finding.code)}::{_message(text)}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def styled(text: str, style: str) -> RenderableType:
    """A text of its own, so that the style does not spill over a live display and markup in it stays text."""
    from rich.text import Text

    return Text(text, style=style)


def colored(text: str) -> RenderableType:
    """Colour over the plain text of a finding, which stays the same text."""
    from rich.text import Text

    styled = Text(text)
    styled.highlight_regex(r"^error(\[\w+\])?", "bold red")
    styled.highlight_regex(r"^warning(\[\w+\])?", "bold yellow")
    styled.highlight_regex(r"(?m)^\s*-->|^\s*\d*\s*\|", "blue")
    styled.highlight_regex(r"\^+", "bold red")
    styled.highlight_regex(r"(?m)^\s*=?\s*help:", "bold cyan")
    return styled
