"""One open story: its text, its findings, and where ids are declared and mentioned. No protocol here.

Offsets are characters of the text, ranges are half-open. While the text cannot be parsed, answers come from the last
text that could.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onestory_cli.errors import Diagnostic, Findings, OnestoryError, Place
from onestory_cli.story.captions import REFERENCE
from onestory_cli.story.include import open_source
from onestory_cli.story.load import read_story
from onestory_cli.story.source import KeyPath, StorySource

if TYPE_CHECKING:
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.story.types import Story

CAST = ("characters", "settings")


@dataclass(frozen=True, kw_only=True)
class Symbol:
    """An id in the text: a character, a setting or a shot. `start` and `end` cover the id alone."""

    kind: str
    id: str
    start: int
    end: int
    declares: bool


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """The analysis of one version of a text. `source`, `story` and `plan` are None if errors prevent them."""

    findings: tuple[Diagnostic, ...]
    source: StorySource | None = field(default=None, repr=False)
    story: Story | None = field(default=None, repr=False)
    plan: Plan | None = field(default=None, repr=False)


def analyse(text: str, path: Path) -> Analysis:
    """Check a text as `onestory plan` would; the file itself is not read.

    All levels are reported at once: a text with errors in its captions still gets those of its schema.
    """
    from onestory_cli.planning.compile import plan_story

    data = text.encode("utf-8")
    try:
        source = open_source(data, str(path), folder=path.parent)
    except OnestoryError as fault:
        return Analysis(findings=fault.diagnostics)
    try:
        story, warnings = read_story(data, str(path), folder=path.parent)
    except OnestoryError as fault:
        return Analysis(findings=fault.diagnostics, source=source)
    try:
        plan, more = plan_story(story, fingerprint=False)
    except Findings as fault:
        return Analysis(findings=(*warnings, *fault.diagnostics), source=source, story=story)
    except OnestoryError as fault:
        return Analysis(findings=(*warnings, *fault.diagnostics), source=source, story=story)
    return Analysis(findings=(*warnings, *more), source=source, story=story, plan=plan)


class StoryDocument:
    """An open file. `update` takes each new text; `parsed` is the last analysis whose YAML could be read."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.update(text)

    def update(self, text: str) -> None:
        """Analyse a new text."""
        self.text = text
        self.analysis = analyse(text, self.path)
        if self.analysis.source is not None or not hasattr(self, "parsed"):
            self.parsed = self.analysis

    @property
    def value(self) -> dict[str, Any]:
        """The values of the last text that could be read; {} for none."""
        source = self.parsed.source
        return source.value if source is not None and isinstance(source.value, dict) else {}

    def cast(self) -> dict[str, str]:
        """Id -> "character" or "setting"."""
        declared = {kind: self.value.get(kind) for kind in CAST}
        maps = {kind: entries for kind, entries in declared.items() if isinstance(entries, dict)}
        return {str(id): kind.removesuffix("s") for kind, entries in maps.items() for id in entries}

    def shots(self) -> list[str]:
        """The ids of the shots, in order."""
        shots = self.value.get("shots")
        items = shots if isinstance(shots, list) else []
        return [str(shot["id"]) for shot in items if isinstance(shot, dict) and isinstance(shot.get("id"), str)]

    def look(self, id: str) -> str:
        """The look of a character or setting; "" if it cannot be read."""
        for kind in CAST:
            entries = self.value.get(kind)
            entry = entries.get(id) if isinstance(entries, dict) else None
            if isinstance(entry, dict) and isinstance(entry.get("look"), str):
                return " ".join(entry["look"].split())
        return ""

    def offset(self, line: int, column: int) -> int:
        """Line and column, from 0 and in characters -> an offset; positions past the end are the end."""
        lines = self.text.splitlines(keepends=True)
        if line >= len(lines):
            return len(self.text)
        start = sum(map(len, lines[:line]))
        return start + min(column, len(lines[line].rstrip("\r\n")))

    def symbols(self) -> Iterator[Symbol]:
        """Every id in the text, declarations first. Empty while the YAML cannot be read."""
        source = self.analysis.source
        if source is None or not isinstance(source.value, dict):
            return
        yield from self._declarations(source)
        yield from self._memory_sources(source)
        yield from self._mentions(source)

    def symbol_at(self, offset: int) -> Symbol | None:
        """The id at an offset."""
        return next((item for item in self.symbols() if item.start <= offset <= item.end), None)

    def same(self, symbol: Symbol) -> list[Symbol]:
        """All places of the same id."""
        return [item for item in self.symbols() if (item.kind, item.id) == (symbol.kind, symbol.id)]

    def declared_in(self, symbol: Symbol) -> Place | None:
        """The place of the declaration in an included file; None if this file has it."""
        path: KeyPath = (f"{symbol.kind}s", symbol.id)
        source = self.parsed.source
        return source.key_place(path) if source is not None and path in source.included else None

    def include_place(self, place: Place) -> Place | None:
        """The entry of `include:` for the file of a place; None for a place in this file."""
        source = self.parsed.source
        if place.path == str(self.path) or source is None:
            return None
        for index, written in enumerate(self.value.get("include") or ()):
            if isinstance(written, str) and str(self.path.parent / written) == place.path:
                return source.place(("include", index))
        return source.place(("include",))

    def range_of(self, place: Place) -> tuple[int, int]:
        """The characters that a finding is about; for one in an included file, its entry under `include:`."""
        place = self.include_place(place) or place
        start = self.offset(place.line - 1, place.column - 1)
        return start, min(len(self.text), start + max(1, place.length))

    def _declarations(self, source: StorySource) -> Iterator[Symbol]:
        for kind in CAST:
            for id in _keys(source, (kind,)):
                if (span := source.spans[(kind, id)].key) is not None:
                    yield Symbol(kind=kind.removesuffix("s"), id=id, start=span[0], end=span[1], declares=True)
        for path, id in _texts(source, "shots", "id"):
            yield from self._inside(source, path, id, "shot", declares=True)

    def _memory_sources(self, source: StorySource) -> Iterator[Symbol]:
        for path in source.spans:
            if len(path) == 5 and path[0] == "shots" and path[2:4] == ("memory", "from"):
                value = _value_at(source.value, path)
                if isinstance(value, str):
                    yield from self._inside(source, path, value, "shot", declares=False)

    def _mentions(self, source: StorySource) -> Iterator[Symbol]:
        cast = self.cast()
        for path, _ in _texts(source, "shots", "caption"):
            start, end = source.spans[path].value
            for match in REFERENCE.finditer(self.text, start, end):
                id = match["name"]
                if id in cast:
                    yield Symbol(kind=cast[id], id=id, start=match.start("name"), end=match.end("name"), declares=False)

    def _inside(self, source: StorySource, path: KeyPath, id: str, kind: str, *, declares: bool) -> Iterator[Symbol]:
        """The id inside its value, without quotes."""
        start, end = source.spans[path].value
        found = self.text.find(id, start, end)
        if found >= 0:
            yield Symbol(kind=kind, id=id, start=found, end=found + len(id), declares=declares)


def _keys(source: StorySource, path: KeyPath) -> list[str]:
    return [str(item[-1]) for item in source.spans if len(item) == len(path) + 1 and item[:-1] == path]


def _texts(source: StorySource, collection: str, key: str) -> Iterator[tuple[KeyPath, str]]:
    for path in source.spans:
        if len(path) == 3 and path[0] == collection and path[2] == key:
            value = _value_at(source.value, path)
            if isinstance(value, str):
                yield path, value


def _value_at(value: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        value = value[step]
    return value


_KEY = re.compile(r"(?P<indent> *)(?P<dashes>(?:- +)*)(?:(?P<key>[^\s:#'\"-][^:#]*?) *:(?: |$))?")


def key_path(text: str, offset: int) -> tuple[str, ...]:
    """The keys that enclose an offset, by indentation alone, so that broken YAML has them too. List items are "*"."""
    lines = text[:offset].split("\n")
    indent = len(lines[-1]) - len(lines[-1].lstrip(" "))
    current = _KEY.match(lines[-1])
    column = indent + (len(current["dashes"]) if current else 0)
    path: list[str] = ["*"] if current and current["dashes"] else []
    limit = indent if path else column
    for line in reversed(lines[:-1]):
        match = _KEY.match(line)
        if match is None or not line.strip() or line.lstrip().startswith("#"):
            continue
        depth = len(match["indent"])
        inner = depth + len(match["dashes"])
        if match["key"] and inner < limit:
            path.append(match["key"].strip())
            limit = inner
        if match["dashes"] and depth < limit:
            path.append("*")
            limit = depth
        if limit == 0:
            break
    return tuple(reversed(path))
