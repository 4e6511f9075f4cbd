"""Decode a story file, refuse misleading characters, and convert positions to lines and columns."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from onestory_cli.errors import Diagnostic, Findings, Place

MAX_BYTES = 4 * 1024 * 1024
MAX_ALIKE = 20  # findings of one kind, so that a binary file does not produce thousands
MAX_LINE = 1000  # characters; a longer line is not quoted in a finding

# C0 and C1 controls, YAML's other line breaks, bidirectional controls (they reorder text on screen), byte order marks.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_ODD = "\u00a0\u2000-\u200a\u202f\u205f\u3000"  # spaces that look like a space and are text to YAML
ODD_SPACE_AFTER_KEY = re.compile(rf"[\w-]+:(?P<space>[{_ODD}])")
_ODD_SPACE = re.compile(rf"(?m)^ *(?:- *)?(?:{ODD_SPACE_AFTER_KEY.pattern}|(?P<indent>[{_ODD}])[ {_ODD}]*\S)")
_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_TAB_INDENT = re.compile(r"(?m)^ *(\t)[ \t]*[^\s]")

_SIGNATURES = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive or an office document",
    b"RIFF": "a WebP picture or a sound",
    b"\x1f\x8b": "a gzip archive",
}


@dataclass(frozen=True, kw_only=True)
class Text:
    """The decoded file. Positions are indices into `content`; `starts` has the start of each line."""

    path: str
    content: str
    starts: tuple[int, ...] = field(repr=False)

    @classmethod
    def of(cls, path: str, content: str) -> Text:
        starts = (0, *(match.end() for match in _LINE_BREAK.finditer(content)))
        return cls(path=path, content=content, starts=starts)

    def place(self, start: int, end: int) -> Place:
        """The place of a span, cut at the end of its first line."""
        line = bisect_right(self.starts, start)
        first = self.starts[line - 1]
        whole = _LINE_BREAK.split(self.content[first : first + MAX_LINE + 1], maxsplit=1)[0]
        stop = min(end, first + len(whole.rstrip()))
        return Place(
            path=self.path,
            line=line,
            column=start - first + 1,
            length=max(1, stop - start),
            source_line=FORBIDDEN.sub("\ufffd", whole.rstrip()) if len(whole) <= MAX_LINE else "",
        )

    def line_of(self, index: int) -> int:
        """The line number of a position, from 1."""
        return bisect_right(self.starts, index)

    def is_one_line(self, start: int, end: int) -> bool:
        return self.line_of(start) == self.line_of(max(start, end - 1))


def decode(data: bytes, path: str, *, indents: bool = True) -> Text:
    """Decode a story file. With `indents` false, tabs may indent lines (for formats other than YAML).

    Raises:
        Findings: S102 not UTF-8, S103 a forbidden character, S105 a byte order mark, S108 a tab that indents,
            S112 empty, S113 too large.
    """
    if len(data) > MAX_BYTES:
        raise Findings((_too_large(path),))
    try:
        text = Text.of(path, data.decode("utf-8"))
    except UnicodeDecodeError as fault:
        raise Findings((_not_utf8(data, path, fault.start),)) from fault
    if not text.content.strip("\ufeff \t\r\n"):
        raise Findings((empty(text),))
    findings = [*_byte_order_mark(text), *_forbidden(text), *(_tabs(text) if indents else ())]
    if findings:
        raise Findings(tuple(findings))
    return text


def empty(text: Text) -> Diagnostic:
    """S112 for a file without a document."""
    return Diagnostic(
        code="S112",
        message="the file contains no story",
        place=Place(path=text.path),
        help="run `onestory new NAME` to write a story to start from",
    )


def _too_large(path: str) -> Diagnostic:
    return Diagnostic(
        code="S113",
        message=f"the file is larger than {MAX_BYTES // 1024**2} MiB",
        place=Place(path=path),
        help="refer to pictures by their path, and split a long film into several stories",
    )


def _not_utf8(data: bytes, path: str, position: int) -> Diagnostic:
    if kind := _kind_of(data):
        message = f"the file is {kind}, not text"
        return Diagnostic(code="S102", message=message, place=Place(path=path), help="name a text file")
    text = Text.of(path, data.decode("utf-8", errors="replace"))
    start = len(data[:position].decode("utf-8"))
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    return Diagnostic(
        code="S102",
        message="the file is UTF-16" if wide else f"byte 0x{data[position]:02x} is not UTF-8",
        place=Place(path=path) if wide else text.place(start, start + 1),
        help="save the file as UTF-8",
    )


def _kind_of(data: bytes) -> str:
    """What a binary file is by its first bytes, or ""."""
    if data[4:8] == b"ftyp":
        return "a video"
    return next((kind for start, kind in _SIGNATURES.items() if data.startswith(start)), "")


def _byte_order_mark(text: Text) -> Iterator[Diagnostic]:
    if text.content.startswith("\ufeff"):
        yield Diagnostic(
            code="S105",
            message="the file starts with a byte order mark",
            place=text.place(0, 1),
            help='save the file as UTF-8 without a BOM (not "UTF-8 with signature")',
        )


def _forbidden(text: Text) -> Iterator[Diagnostic]:
    for match in islice(FORBIDDEN.finditer(text.content), MAX_ALIKE):
        if match.start() > 0 or match[0] != "\ufeff":
            yield forbidden(text, match[0], match.start(), match.end())


def forbidden(text: Text, char: str, start: int, end: int) -> Diagnostic:
    """S103 for a control character at a span."""
    return Diagnostic(
        code="S103",
        message=f"control character U+{ord(char):04X} is not allowed",
        place=text.place(start, end),
        help="delete it; it is often pasted along with text and not visible in editors",
    )


def _tabs(text: Text) -> Iterator[Diagnostic]:
    for match in islice(_TAB_INDENT.finditer(text.content), MAX_ALIKE):
        yield Diagnostic(
            code="S108",
            message="a tab indents this line",
            place=text.place(match.start(1), match.end(1)),
            help="indent with spaces; most editors can insert them for the Tab key",
        )


def odd_spaces(text: Text) -> Iterator[Diagnostic]:
    """S117 for no-break and other special spaces that indent a line or follow a key."""
    for match in islice(_ODD_SPACE.finditer(text.content), MAX_ALIKE):
        yield odd_space(text, match.start("space") if match["space"] else match.start("indent"))


def odd_space(text: Text, index: int) -> Diagnostic:
    """S117 for a special space at a position."""
    char = text.content[index]
    name = "no-break space" if char == "\u00a0" else "special space"
    return Diagnostic(
        code="S117",
        message=f"a {name} (U+{ord(char):04X}) is in the place of a space",
        place=text.place(index, index + 1),
        help="replace it by a normal space; it often comes from web pages and word processors",
    )
