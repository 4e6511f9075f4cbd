"""Parse Fountain (fountain.io) into elements with line numbers, in linear time.

Existing libraries give no line numbers, which the report needs to point into the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from onestory_cli.story.text import Text

Kind = Literal[
    "heading",
    "action",
    "cue",
    "dialogue",
    "transition",
    "title",
    "section",
    "synopsis",
    "note",
    "boneyard",
    "page break",
    "continued",
]

_TITLE_KEYS = {"title", "credit", "author", "authors", "source", "draft date", "date", "contact", "copyright", "notes"}
_TITLE_LINE = re.compile(r"([A-Za-z][\w \-]{0,40}):(.*)", re.ASCII)
# Where a scene plays, in the spellings of several languages: "INT.", "EXT./INT.", "I/E", "INNEN", "INTÉRIEUR".
_INSIDE = r"int|i|(?-i:INTERIOR|INTÉRIEUR|INTERIEUR|INTERNO|INNEN)"
_OUTSIDE = r"ext|est|e|(?-i:EXTERIOR|EXTÉRIEUR|EXTERIEUR|ESTERNO|ESTABLISHING|AUSSEN|AUßEN)"
_BOTH = rf"(?:{_INSIDE})\b\.? ?/ ?(?:{_OUTSIDE})\b\.?|(?:{_OUTSIDE})\b\.? ?/ ?(?:{_INSIDE})\b\.?"
_ONE = rf"(?!(?:i|e)\b)(?:{_INSIDE}|{_OUTSIDE})\b(?:\.|(?= ))"
PREFIX = re.compile(rf"(?P<where>{_BOTH}|{_ONE})[\s:-]*", re.IGNORECASE)
_NUMBER = r"[A-Z]?\d{1,4}[A-Z]{0,2}"
_NUMBERED = re.compile(rf"(?P<number>{_NUMBER})[.):]?\s+(?=\S)")
_TRANSITION = re.compile(
    r"(?:FADE|CROSS-?FADE|DISSOLVE|CUT|(?:SMASH|MATCH|JUMP|HARD|TIME|QUICK|FLASH|INTER)[ -]?CUT|WIPE|IRIS|BACK|RETURN|"
    r"TRANSITION|FREEZE FRAME|BLACKOUT|ÜBERBLENDUNG|SCHNITT|AUFBLENDE|ABBLENDE|FONDU|COUPE)"
    r"(?: (?:IN|OUT|TO|UP|THROUGH|BACK|FROM|ON|WITH|INTO|ZU|AU|BETWEEN)\b[^.:!?]{0,40})?[.:]*"
    r"|(?:[A-Z]+ ){1,4}TO:|(?:CUT TO |FADE TO )?(?:BLACK|WHITE|BLACKNESS|BLACK SCREEN)[.:]?"
    r"|(?:THE )?END(?: CREDITS?| TITLES?| OF (?:ACT|FILM|SHOW|EPISODE|TEASER)[^.:]{0,20})?[.!]?"
    r"|(?:FIN|ENDE|OMITTED)[.]?"
)
_TITLE_CARD = re.compile(
    r"(?:SUPER(?:IMPOSE)?|TITLE(?: CARD| OVER)?|CHYRON|CAPTION|SUBTITLE|INSERT TITLE|LEGEND|CARD|ON[- ]SCREEN TEXT)"
    r"(?: (?:IN|OVER|ON)[^:\"“]{0,30})?:? ?(?P<text>[\"“:].*|(?<=: ).*)"
)
_CONTINUED = re.compile(r"\(?(?:CONTINUED|MORE|CONT['’]?D)\)?:?(?: ?\(\d+\))?")
_EMPTY_LINE = re.compile(r"\n[ \t]?\r?\n")  # a line of two spaces continues a note
_EMPHASIS = (re.compile(r"(?<!\\)(\*{1,3})([^*\n]+)\1"), re.compile(r"(?<![\w\\])(_)([^_\n]+)_(?!\w)"))


@dataclass(frozen=True, kw_only=True)
class Element:
    """An element of a screenplay. `line` counts from 1; `text` is on one line, without emphasis marks.

    `inline` is true for a note in a line with other text, which it belongs to. `closed` is false for a note without
    `]]`, which ends at the next empty line. `number` is the number of a scene.
    """

    kind: Kind
    text: str
    line: int
    inline: bool = False
    closed: bool = True
    number: str = ""


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
    spans = list(_spans(text.content))
    position = 0
    for start, end in spans:
        kept += text.content[position:start], "\n" * text.content.count("\n", start, end)
        position = end
    content = "".join(kept) + text.content[position:]
    lines = content.split("\n")
    return content, [_aside(text, lines, start, end) for start, end in spans]


def _aside(text: Text, lines: list[str], start: int, end: int) -> Element:
    """The note or boneyard in a span. `lines` are those of the content without them."""
    kind: Kind = "note" if text.content[start] == "[" else "boneyard"
    closed = text.content.endswith(("]]", "*/"), start, end)
    line = text.line_of(start)
    words = " ".join(text.content[start + 2 : end - 2 if closed else end].split())
    inline = line <= len(lines) and bool(lines[line - 1].strip())
    return Element(kind=kind, text=words, line=line, inline=inline, closed=closed)


def _spans(content: str) -> Iterator[tuple[int, int]]:
    """The spans of notes and boneyards. A note ends at an empty line; an unclosed boneyard is text."""
    position, boneyards = 0, True
    for_either = re.compile(r"/\*|\[\[")
    while match := for_either.search(content, position):
        position = match.end()
        if match[0] == "[[":
            blank = _EMPTY_LINE.search(content, position)
            limit = blank.start() if blank else len(content)
            close = content.find("]]", position, limit)
            end = limit if close < 0 else close + 2
        elif not boneyards or (close := content.find("*/", position)) < 0:
            boneyards = False  # searched for only once, so that the time stays linear
            continue
        else:
            end = close + 2
        yield match.start(), end
        position = end


def _title_page(lines: list[str]) -> tuple[int, dict[str, str]]:
    """The number of lines of the title page, and its values; none unless its block has a known key."""
    begin = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if not lines or not _TITLE_LINE.fullmatch(lines[begin].strip()):
        return 0, {}
    end = _end_of_block(lines, begin)
    values: dict[str, list[str]] = {}
    key = ""
    for line in lines[begin:end]:
        match = None if line[0].isspace() else _TITLE_LINE.fullmatch(line.strip())
        key = match[1].lower() if match else key
        values.setdefault(key, []).append(match[2] if match else line)
    if values.keys().isdisjoint(_TITLE_KEYS):
        return 0, {}
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
        speech = [line.strip().removeprefix("~") for line in lines[number + 1 : end]]
        said = " ".join(line for line in speech if not _CONTINUED.fullmatch(line))
        yield Element(kind="dialogue", text=plain(said), line=number + 2)
        return
    words = [line.strip().removeprefix("!") for line in lines[number:end]]
    text = plain(" ".join(word.strip("<> ") if word.startswith(">") else word for word in words))
    if text:
        yield Element(kind="action", text=text, line=number + 1)


def _line(line: str, number: int, *, alone: bool) -> Element | None:
    """The element if a line is one regardless of what follows, or None."""
    for kind, mark in _MARKS:
        if line.startswith(mark):
            return Element(kind=kind, text="" if kind == "page break" else plain(line.lstrip(mark[0])), line=number)
    if line.startswith(".") and line[1:2].isalnum():
        return _heading(line[1:], number)
    if line.startswith(">") and line.endswith("<"):
        words = plain(line.strip("<> "))
        return Element(kind="transition", text=words, line=number) if _is_transition(words.upper()) else None
    if line.startswith(">"):
        return Element(kind="transition", text=plain(line[1:]), line=number)
    bare = plain(line)
    if PREFIX.match(_without_number(bare)):
        return _heading(bare, number)
    if _CONTINUED.fullmatch(bare):
        return Element(kind="continued", text=bare, line=number)
    if match := _TITLE_CARD.fullmatch(bare):
        return Element(kind="title", text=match["text"].strip(' :"“”'), line=number)
    if (alone or bare.endswith((":", "."))) and _is_transition(bare):
        return Element(kind="transition", text=bare, line=number)
    return None


_MARKS: tuple[tuple[Kind, str], ...] = (
    ("section", "#"),
    ("page break", "==="),
    ("synopsis", "="),
    ("note", "~"),
)


def _heading(line: str, number: int) -> Element:
    """A heading without its scene number, which may be before it, after it, or between # marks at the end."""
    line, _, marked = line.partition("#")
    scene = marked.rstrip("# ").strip()
    match = _NUMBERED.match(line)
    if match and PREFIX.match(line, match.end()):
        scene = scene or match["number"]
        line = line[match.end() :]
        line = re.sub(rf"\s+{re.escape(match['number'])}[.)]?\s*$", "", line)
    return Element(kind="heading", text=plain(line), line=number, number=scene)


def _without_number(line: str) -> str:
    match = _NUMBERED.match(line)
    return line[match.end() :] if match else line


def _is_transition(line: str) -> bool:
    return line == line.upper() and bool(_TRANSITION.fullmatch(line))


def _is_cue(line: str) -> bool:
    """Whether a line is a character cue: in capitals, except for extensions in brackets."""
    name = line.partition("(")[0]
    return line.startswith("@") or (name.isupper() and not line.startswith(("!", ">")) and not _is_transition(line))


def plain(text: str) -> str:
    """Text on one line, without emphasis marks."""
    if "*" in text or "_" in text:
        for marks in _EMPHASIS:
            text = marks.sub(r"\2", text)
        text = text.replace(r"\*", "*").replace(r"\_", "_")
    return " ".join(text.split())
