"""A source file of an import: its bytes, its text and its JSON, read when a format asks for them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.importers.draft import ImportReport
from onestory_cli.importers.values import Node, node_of, read_json, stories_in
from onestory_cli.story.text import Text, decode

# What OpenTimelineIO writes in place of numbers that JSON does not have; strings are skipped.
_NOT_FINITE = re.compile(r'"(?:[^"\\]|\\.)*"|-?\b(?:Inf(?:inity)?|NaN)\b')
_LINES = (".jsonl", ".ndjson")
_JSON = re.compile(rb"\s*(?:\{|\[(?!\s*[A-Za-z]))")  # "[global caption]" is not JSON


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file to import. `number` (from 1) chooses a story of several; `columns` names columns of a table by field."""

    path: str
    data: bytes
    report: ImportReport
    number: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def suffix(self) -> str:
        return PurePath(self.path).suffix.lower()

    @cached_property
    def text(self) -> Text:
        """The decoded text.

        Raises:
            Findings: S102 to S113 for what is not text.
        """
        return decode(self.data.removeprefix(codecs.BOM_UTF8), self.path, indents=False)

    @property
    def looks_like_json(self) -> bool:
        return bool(_JSON.match(self.data.removeprefix(codecs.BOM_UTF8)))

    @cached_property
    def node(self) -> Node:
        """The map in a JSON file, or in the chosen line of a .jsonl file.

        Raises:
            Findings: I702 if it is not JSON.
            OnestoryError: I704 if there are several stories and none is chosen.
        """
        text, content = self.text, _finite(self.text.content)
        if self.suffix not in _LINES:
            stories = stories_in(read_json(content, text))
            return node_of(stories[choose_story(self.number, len(stories))], text, self.report)
        ends = (*text.starts[1:], len(content))
        lines = [(start, end) for start, end in zip(text.starts, ends, strict=True) if content[start:end].strip()]
        start, end = lines[choose_story(self.number, len(lines))]
        return node_of(read_json(content[start:end], text, start=start), text, self.report, start=start)

    def require_one(self) -> None:
        """Check the choice in a format that has one story per file.

        Raises:
            OnestoryError: I704 if a story other than the first is chosen.
        """
        choose_story(self.number, 1)


def _finite(content: str) -> str:
    """The text of an OpenTimelineIO file with 0 in place of infinity and NaN, and all positions unchanged."""
    if '"OTIO_SCHEMA"' not in content:
        return content
    return _NOT_FINITE.sub(lambda match: match[0] if match[0][0] == '"' else "0".ljust(len(match[0])), content)


def choose_story(number: int | None, count: int) -> int:
    """The index of the story that `--number` chooses among `count`.

    Raises:
        OnestoryError: I704 if none is chosen of several, or the number is out of range.
    """
    if count == 1 and number is None:
        return 0
    if number is None or not 1 <= number <= count:
        help = f"choose one with `--number`, from 1 to {count}" if count > 1 else "remove `--number`"
        message = f"the file has {count} {'story' if count == 1 else 'stories'}"
        raise OnestoryError("I704", message, help=help if count else "", exit=ExitCode.USAGE)
    return number - 1
