"""Findings and untrusted text for the console: made printable, coloured, or as GitHub annotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from onestory_cli.errors import Diagnostic
from onestory_cli.utils.text import printable

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.text import Text

T = TypeVar("T")


def github_annotation(finding: Diagnostic) -> str:
    """Format a finding as a workflow command, which GitHub shows at its line of the pull request."""
    finding = cleaned(finding)
    place = finding.place
    where = f"file={_property(place.path)},line={place.line},col={place.column}," if place else ""
    text = finding.message + (f"\n{finding.help}" if finding.help else "")
    return f"::{finding.severity} {where}title={_property(finding.code)}::{_message(text)}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def cleaned(value: T) -> T:
    """Return a copy of a dataclass (a finding or an event) in which every text, at any depth, is printable."""
    if isinstance(value, str):
        return printable(value)  # type: ignore[return-value]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: cleaned(getattr(value, field.name)) for field in fields(value)})
    if isinstance(value, Mapping):
        return {cleaned(key): cleaned(item) for key, item in value.items()}  # type: ignore[return-value]
    if isinstance(value, tuple):
        return tuple(map(cleaned, value))  # type: ignore[return-value]
    return value


def print_line(rich: RichConsole, text: str, style: str = "") -> None:
    """Print one line. A terminal wraps it between words, but never a command, so that it can be copied."""
    from rich.text import Text  # markup in `text` stays text, and the style does not spill into a live display

    rich.print(Text(printable(text), style=style), soft_wrap=rich.is_dumb_terminal or "onestory " in text)


def colored(text: str) -> Text:
    """Return formatted findings with colours. The text itself does not change."""
    from rich.text import Text

    styled = Text(text)
    styled.highlight_regex(r"^error(\[\w+\])?", "bold red")
    styled.highlight_regex(r"^warning(\[\w+\])?", "bold yellow")
    styled.highlight_regex(r"(?m)^\s*-->|^\s*\d*\s*\|", "blue")
    styled.highlight_regex(r"\^+", "bold red")
    styled.highlight_regex(r"(?m)^\s*=?\s*help:", "bold cyan")
    return styled
