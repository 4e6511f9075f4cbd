"""Texts for the console: styled, coloured, and as a workflow command."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from onestory_cli.errors import Diagnostic

if TYPE_CHECKING:
    from rich.console import RenderableType


def github_annotation(finding: Diagnostic) -> str:
    """A finding as a workflow command, which GitHub shows at its line of the pull request."""
    place = finding.place
    where = f"file={_property(place.path)},line={place.line},col={place.column}," if place else ""
    text = finding.message + (f"\n{finding.help}" if finding.help else "")
    return harmless(f"::{finding.severity} {where}title={_property(finding.code)}::{_message(text)}")


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


# What a terminal obeys instead of showing it: controls other than tabs and line breaks, and those of direction.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """Text of strangers for a terminal, which shows all of it and obeys nothing."""
    return _OBEYED.sub("\ufffd", text)


def harmless_json(text: str) -> str:
    """The same for a JSON document, whose value stays what it is."""
    return _OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def styled(text: str, style: str) -> RenderableType:
    """A text of its own, so that the style does not spill over a live display and markup in it stays text."""
    from rich.text import Text

    return Text(harmless(text), style=style)


def colored(text: str) -> RenderableType:
    """Colour over the plain text of a finding, which stays the same text."""
    from rich.text import Text

    styled = Text(harmless(text))
    styled.highlight_regex(r"^error(\[\w+\])?", "bold red")
    styled.highlight_regex(r"^warning(\[\w+\])?", "bold yellow")
    styled.highlight_regex(r"(?m)^\s*-->|^\s*\d*\s*\|", "blue")
    styled.highlight_regex(r"\^+", "bold red")
    styled.highlight_regex(r"(?m)^\s*=?\s*help:", "bold cyan")
    return styled
