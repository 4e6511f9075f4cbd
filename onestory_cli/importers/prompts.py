"""Prompts as plain text, and storyboards in Markdown."""

from __future__ import annotations

import re

from onestory_cli.importers.draft import Draft
from onestory_cli.importers.entities import ScriptEntity, described
from onestory_cli.importers.rows import ShotRow, draft_of_rows, field_of, row_of
from onestory_cli.importers.source import SourceFile
from onestory_cli.importers.tables import draft_of_table

_RULE = re.compile(r"(?m)^[ \t]*(?:-{3,}|\*{3,}|={3,})[ \t]*$")
_NUMBERED = re.compile(r"(?i)^\s*(?:(?:shot|scene|prompt|clip)\s*)?#?(\d{1,4})\s*[.):\-–]\s+(?=\S)")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_FIELD = re.compile(r"^\s*(?:[-*+]\s+)?(?:\*\*|__)?([\w /]{2,30}?)(?:\*\*|__)?\s*:\s*(?:\*\*|__)?\s*(.*)$")
_ENTITY = re.compile(r"^\s*[-*+]\s+(?:\*\*|__)?([^:*_–—-]{1,60}?)(?:\*\*|__)?\s*(?::|–|—|-)\s*(?:\*\*|__)?\s*(.+)$")
_BULLET = re.compile(r"^\s*(?:[-*+]|\d{1,4}[.)])\s+")
_CELLS = re.compile(r"^\s*\|?(.+?)\|?\s*$")
_LINE_OF_TABLE = re.compile(r"^\s*\|?[\s:|-]*-{3,}[\s:|-]*\|?\s*$")
_CAST = re.compile(r"(?i)^(?:the )?(?:main )?(?:characters?|cast|people|dramatis personae|figuren)\b")
_PLACES = re.compile(r"(?i)^(?:settings?|locations?|places|sets|orte)\b")
_STYLE = re.compile(r"(?i)^(?:visual )?style\b|^look and feel\b")


def from_text(source: SourceFile) -> Draft:
    """Prompts separated by lines of dashes, by `|`, by numbers, by empty lines or by line ends, whichever is there."""
    source.require_one()
    parts, how = split_prompts(source.text.content)
    source.report.note(f"shots are separated by {how}")
    rows = [ShotRow(text=" ".join(part.split()), where=f"prompt {at}") for at, part in enumerate(parts, start=1)]
    return draft_of_rows(rows, source.report)


def split_prompts(content: str) -> tuple[list[str], str]:
    """The prompts in a text, and how they are separated."""
    lines = [line for line in content.splitlines() if line.strip()]
    if _RULE.search(content):
        return _filled(_RULE.split(content)), "lines of dashes"
    if len(lines) == 1 and "|" in content:
        return _filled(content.split("|")), "`|`"
    numbered = [line for line in lines if _NUMBERED.match(line)]
    if len(numbered) > 1 and _NUMBERED.match(lines[0]):
        parts: list[str] = []
        for line in lines:
            if match := _NUMBERED.match(line):
                parts.append(line[match.end() :])
            else:
                parts[-1] += f"\n{line}"
        return _filled(parts), "numbers"
    paragraphs = _filled(re.split(r"\n[ \t]*\n", content.replace("\r\n", "\n")))
    if len(paragraphs) > 1:
        return paragraphs, "empty lines"
    return _filled(lines), "line ends"


def _filled(parts: list[str]) -> list[str]:
    return [part.strip() for part in parts if part.strip()]


def from_markdown(source: SourceFile) -> Draft:
    """A storyboard in Markdown: a table of shots, or a heading or list item per shot with fields below it."""
    source.require_one()
    lines = source.text.content.splitlines()
    title = next((match[2] for line in lines if (match := _HEADING.match(line)) and len(match[1]) == 1), "")
    if table := _table(lines):
        return draft_of_table(source, table, title=title)
    board = _Board(title)
    for number, line in enumerate(lines, start=1):
        board.take(line, number)
    if not board.shots:
        parts, _ = split_prompts("\n".join(line for line in lines if not _HEADING.match(line)))
        rows = [ShotRow(text=" ".join(part.split()), where=f"part {at}") for at, part in enumerate(parts, start=1)]
        return draft_of_rows(rows, source.report, title=title)
    rows = [row_of(values, where, source.report) for where, values in board.shots if values.get("caption")]
    return draft_of_rows(
        rows, source.report, title=title, note=" ".join(board.intro), style=" ".join(board.style), entities=board.cast
    )


def _table(lines: list[str]) -> list[list[str]]:
    """The cells of the first table whose headings name a column of captions; [] if there is none."""
    for at, line in enumerate(lines[1:], start=1):
        if "|" in line and _LINE_OF_TABLE.match(line):
            rows = [_split_row(lines[at - 1])]
            if "caption" not in {field_of(cell) for cell in rows[0]}:
                continue
            for later in lines[at + 1 :]:
                if "|" not in later:
                    break
                rows.append(_split_row(later))
            return rows
    return []


def _split_row(line: str) -> list[str]:
    match = _CELLS.match(line)
    cells = re.split(r"(?<!\\)\|", match[1] if match else line)
    return [re.sub(r"<br */?>", " ", cell).replace("\\|", "|").strip(" *_`") for cell in cells]


class _Board:
    """Collects the sections of a storyboard line by line."""

    def __init__(self, title: str) -> None:
        self._title, self._mode = title, "intro"
        self.intro: list[str] = []
        self.style: list[str] = []
        self.cast: list[ScriptEntity] = []
        self.shots: list[tuple[str, dict[str, str]]] = []
        self._scene = ""

    def take(self, line: str, number: int) -> None:
        if not line.strip() or _RULE.match(line):
            return
        if heading := _HEADING.match(line):
            self._open(heading[2].strip(" *_"), number)
        elif self._mode in ("character", "setting"):
            if entity := _ENTITY.match(line):
                self.cast.append(described(entity[1].strip(), self._mode, entity[2].strip(" *_")))
        elif self._mode == "style":
            self.style.append(line.strip())
        elif self._mode == "intro":
            self.intro.append(line.strip())
        else:
            self._add(line, number)

    def _open(self, heading: str, number: int) -> None:
        """Start the section of a heading."""
        if heading == self._title:
            return
        sections = ((_CAST, "character"), (_PLACES, "setting"), (_STYLE, "style"))
        mode = next((mode for pattern, mode in sections if pattern.match(heading)), "")
        self._mode = mode or "shot"
        if not mode:
            self._scene = heading
            self.shots.append((f"line {number}", {"id": heading}))

    def _add(self, line: str, number: int) -> None:
        """Add a line to the open shot: a field, a list item as a new shot, or a part of the caption."""
        found = _FIELD.match(line)
        values = self.shots[-1][1]
        if found and (key := field_of(found[1])):
            values[key] = f"{values[key]} {found[2]}" if key in values else found[2]
        elif _BULLET.match(line):
            text = _BULLET.sub("", line)
            if set(values) == {"id"} or values.get("list"):
                if values.get("caption"):
                    self.shots.append((f"line {number}", {"id": f"{self._scene} {len(self.shots)}"}))
                self.shots[-1][1].update(caption=text, list="yes")
            else:
                values["caption"] = f"{values.get('caption', '')} {text}".strip()
        else:
            values["caption"] = f"{values.get('caption', '')} {line.strip()}".strip()
