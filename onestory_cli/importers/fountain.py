"""Parse Fountain (fountain.io) into elements with line numbers, in linear time.

Existing libraries give no line numbers, which the report needs to point into the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from onestory_cli.story.text import Text

Kind = Literal[
    "heading", "action", "cue", "dialogue", "transition", "section", "synopsis", "note", "boneyard", "page break"
]

_TITLE_KEYS = {"title", "credit", "author", "authors", "source", "draft date", "date", "contact", "copyright", "notes"}
_TITLE_LINE = re.compile(r"([A-Za-z][A-Za-z ]{0,40}):(.*)")
_HEADING = re.compile(r"(?:int|ext|est|int\.?/ext|i/e)[. ]", re.IGNORECASE)
_EMPHASIS = (re.compile(r"(?<!\\)(\*{1,3})([^*\n]+)\1"), re.compile(r"(?<![\w\\])(_)([^_\n]+)_(?!\w)"))


@dataclass(frozen=True, kw_only=True)
class Element:
    """An element of a screenplay. `line` counts from 1; `text` is on one line, without emphasis marks. `inline` is true
    for a note in a line with other text, which it belongs to.
    """

    kind: Kind
    text: str
    line: int
    inline: bool = False


@dataclass(frozen=True, kw_only=True)
class Screenplay:
    """A parsed screenplay; keys of `title_page` are lower-case."""

    title_page: dict[str, str]
    elements: tuple[Element, ...]


def parse(text: Text) -> Screenplay:
    """The elements of a screenplay, in order of their first lines."""
    content, aside = _asides(text)
    lines = content.splitlines()
    first, title_page = _title_page(lines)
    elements = sorted((*_elements(lines, first), *aside), key=lambda item: item.line)
    return Screenplay(title_page=title_page, elements=tuple(elements))


def _asides(text: Text) -> tuple[str, list[Element]]:
    """The content without `/* boneyards */` and `[[notes]]`, but with their line breaks; and these as elements."""
    kept: list[str] = []
    found: list[Element] = []
    position = 0
    for start, end in _spans(text.content):
        kind: Kind = "note" if text.content[start] == "[" else "boneyard"
        words = " ".join(text.content[start + 2 : end - 2].split())
        found.append(Element(kind=kind, text=words, line=text.line_of(start)))
        kept += text.content[position:start], "\n" * len(text.content[start:end].splitlines()[1:])
        position = end
    content = "".join(kept) + text.content[position:]
    lines = dict(enumerate(content.split("\n"), start=1))
    return content, [replace(item, inline=bool(lines.get(item.line, "").strip())) for item in found]


def _spans(content: str) -> Iterator[tuple[int, int]]:
    """The spans of notes and boneyards. An unclosed opening is text, and is searched for only once."""
    position, closing = 0, {"/*": "*/", "[[": "]]"}
    pattern = re.compile(r"/\*|\[\[")
    while closing and (match := pattern.search(content, position)):
        end = content.find(closing.get(match[0], ""), match.end()) if match[0] in closing else -1
        if end < 0:
            closing.pop(match[0], None)
            position = match.end()
        else:
            yield match.start(), end + 2
            position = end + 2


def _title_page(lines: list[str]) -> tuple[int, dict[str, str]]:
    """The number of lines of the title page, and its values; none if the first line is not a known key."""
    begin = next((number for number, line in enumerate(lines) if line.strip()), 0)
    match = _TITLE_LINE.fullmatch(lines[begin].strip()) if lines else None
    if match is None or match[1].lower() not in _TITLE_KEYS:
        return 0, {}
    end = _end_of_block(lines, begin)
    values: dict[str, list[str]] = {}
    key = match[1].lower()
    for line in lines[begin:end]:
        match = None if line[0].isspace() else _TITLE_LINE.fullmatch(line.strip())
        key = match[1].lower() if match else key
        values.setdefault(key, []).append(match[2] if match else line)
    return end, {key: plain(" ".join(parts)) for key, parts in values.items()}


def _elements(lines: list[str], first: int) -> Iterator[Element]:
    """The elements of the lines; blank lines separate them."""
    number = first
    while number < len(lines):
        block_end = _end_of_block(lines, number)
        if number == block_end:
            number += 1
            continue
        if _is_cue(lines[number].strip()):
            block_end = _end_of_speech(lines, block_end)
        yield from _block(lines, number, block_end)
        number = block_end


def _end_of_block(lines: list[str], start: int) -> int:
    end = start
    while end < len(lines) and lines[end].strip():
        end += 1
    return end


def _end_of_speech(lines: list[str], end: int) -> int:
    """The end of a speech whose first part ends at `end`: a line of two spaces continues it."""
    while end + 1 < len(lines) and len(lines[end]) > 1 and lines[end + 1].strip():
        end = _end_of_block(lines, end + 1)
    return end


def _block(lines: list[str], start: int, end: int) -> Iterator[Element]:
    """The elements of a block of lines, from `start` to `end`."""
    number = start
    while number < end and (element := _line(lines[number].strip(), number + 1, alone=end - start == 1)):
        yield element
        number += 1
    if number == end:
        return
    head = lines[number].strip()
    if end - number > 1 and _is_cue(head):
        yield Element(kind="cue", text=plain(head.removeprefix("@")), line=number + 1)
        said = " ".join(line.strip().removeprefix("~") for line in lines[number + 1 : end])
        yield Element(kind="dialogue", text=plain(said), line=number + 2)
        return
    words = [line.strip().removeprefix("!") for line in lines[number:end]]
    text = plain(" ".join(word.strip("<> ") if word.startswith(">") else word for word in words))
    if text:
        yield Element(kind="action", text=text, line=number + 1)


def _line(line: str, number: int, *, alone: bool) -> Element | None:
    """The element if a line is one regardless of what follows, or None."""
    if line.startswith("#"):
        return Element(kind="section", text=plain(line.lstrip("#")), line=number)
    if line.startswith("==="):
        return Element(kind="page break", text="", line=number)
    if line.startswith("="):
        return Element(kind="synopsis", text=plain(line[1:]), line=number)
    if line.startswith("~"):
        return Element(kind="note", text=plain(line[1:]), line=number)
    if line.startswith(".") and line[1:2].isalnum():
        return Element(kind="heading", text=plain(line[1:]), line=number)
    if _HEADING.match(line):
        return Element(kind="heading", text=plain(line), line=number)
    if line.startswith(">") and not line.endswith("<"):
        return Element(kind="transition", text=plain(line[1:]), line=number)
    if alone and line.isupper() and line.endswith("TO:"):
        return Element(kind="transition", text=plain(line), line=number)
    return None


def _is_cue(line: str) -> bool:
    """Whether a line is a character cue: in capitals, except for extensions in brackets."""
    name = line.partition("(")[0]
    return line.startswith("@") or (name.isupper() and not line.startswith("!"))


def plain(text: str) -> str:
    """Text on one line, without emphasis marks."""
    if "*" in text or "_" in text:
        for marks in _EMPHASIS:
            text = marks.sub(r"\2", text)
        text = text.replace(r"\*", "*").replace(r"\_", "_")
    return " ".join(text.split())
