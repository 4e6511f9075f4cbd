"""One open story: its text, its findings, and what its ids mean. No protocol here.

Offsets are characters of the text, ranges are half-open. While the text cannot be parsed, answers come from the last
text that could.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onestory_cli.errors import Diagnostic, OnestoryError, Place
from onestory_cli.lsp.symbols import CAST, Symbol, find_symbols
from onestory_cli.story.include import open_source
from onestory_cli.story.load import examine_story
from onestory_cli.story.source import KeyPath, StorySource

if TYPE_CHECKING:
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.story.types import Story


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """The analysis of one version of a text. `source`, `story` and `plan` are None if errors prevent them."""

    findings: tuple[Diagnostic, ...]
    source: StorySource | None = field(default=None, repr=False)
    story: Story | None = field(default=None, repr=False)
    plan: Plan | None = field(default=None, repr=False)


def analyse(text: str, path: Path) -> Analysis:
    """Check a text as `onestory plan` would; the file itself is not read.

    All levels are reported at once: a text with errors in its captions still gets those of its schema and its plan.
    """
    from onestory_cli.planning.compile import plan_story, with_plan_findings

    data = text.encode("utf-8")
    try:
        source = open_source(data, str(path), folder=path.parent)
    except OnestoryError as fault:
        return Analysis(findings=fault.diagnostics)
    try:
        read = examine_story(data, str(path), folder=path.parent)
    except OnestoryError as fault:
        return Analysis(findings=fault.diagnostics, source=source)
    if read.errors or read.story is None:
        return Analysis(findings=with_plan_findings(read), source=source)
    story, warnings = read.story, read.warnings
    try:
        plan, more = plan_story(story, fingerprint=False)
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
        return iter(()) if source is None else find_symbols(source, self.text, self.cast())

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
