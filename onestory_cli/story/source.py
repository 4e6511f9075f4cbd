"""YAML -> plain values, and where each of them stands. Strict: what YAML would guess, this refuses or leaves as text.

Only true, false, null and decimal numbers are special; `1:30`, `no`, `010`, `0x1f`, `1e3` and dates are text. Anchors,
aliases and tags are refused, and so are keys that are given twice. The parser's events are read one by one, so that
neither depth nor size of a hostile file costs more than its bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

import yaml

from onestory_cli.errors import Diagnostic, Findings, Place, shorten
from onestory_cli.story.text import FORBIDDEN, Text, decode, empty, forbidden
from onestory_cli.story.yaml_errors import syntax_finding

MAX_VALUES = 50_000
MAX_DEPTH = 32
MAX_DIGITS = 19  # of a seed of 63 bits
MOST_FINDINGS = 200  # a file with more faults is of another kind, and nobody reads on

KeyPath = tuple[str | int, ...]
Span = tuple[int, int]

# libyaml where PyYAML was built with it: 50 times faster, same events.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?")
_SHARED = "what shots share goes under `defaults:`"
_WORDS: dict[str, object] = {"": None, "null": None, "true": True, "false": False}


class Spans(NamedTuple):
    """Where a key and its value stand. `key` is None for items of a list; `plain` is text without quotes or `|`."""

    key: Span | None
    value: Span
    plain: bool = False


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file as values and places. `findings` are those that leave the values usable: more can be found after them."""

    text: Text
    value: object
    spans: dict[KeyPath, Spans] = field(repr=False)
    findings: tuple[Diagnostic, ...] = ()

    def place(self, path: KeyPath) -> Place:
        """Where the value at `path` stands: the value when it fits on one line, else its key; else a parent's place."""
        spans = self._nearest(path)
        start, end = spans.value
        if spans.key and (start == end or not self.text.is_one_line(start, end)):
            return self.text.place(*spans.key)
        return self.text.place(start, end)

    def key_place(self, path: KeyPath) -> Place:
        """Where the key at `path` stands, or for an item of a list its first line."""
        spans = self._nearest(path)
        return self.text.place(*(spans.key or spans.value))

    def place_inside(self, path: KeyPath, pattern: re.Pattern[str], nth: int) -> Place:
        """Where the nth match of `pattern` (from 0) stands inside the text at `path`.

        The file is searched, not the value: quotes, folding and indentation move characters. `pattern` must match
        alike in both.
        """
        start, end = self._nearest(path).value
        for number, match in enumerate(pattern.finditer(self.text.content, start, end)):
            if number == nth:
                return self.text.place(match.start(), match.end())
        return self.place(path)

    def comment_place(self, path: KeyPath) -> Place | None:
        """Where a comment that cuts plain text stands: `a robot # 7 waves`. Two spaces before # mean a real comment."""
        spans = self.spans.get(path)
        if spans is None or not spans.plain or not self.text.content.startswith(" #", spans.value[1]):
            return None
        start = spans.value[1] + 1
        return self.text.place(start, len(self.text.content))

    def _nearest(self, path: KeyPath) -> Spans:
        while path not in self.spans:
            path = path[:-1]
        return self.spans[path]


def parse(data: bytes, path: str) -> Source:
    """The values of a story file, with their places.

    Raises:
        Findings: the text or its YAML cannot be read (S102 to S116).
    """
    text = decode(data, path)
    composer = _Composer(text)
    try:
        for event in yaml.parse(text.content, Loader=_LOADER):
            composer.take(event)
    except yaml.YAMLError as fault:
        raise Findings((*composer.findings, syntax_finding(text, fault))) from fault
    if not composer.documents:
        raise Findings((empty(text),))
    return Source(text=text, value=composer.root, spans=composer.spans, findings=tuple(composer.findings))


@dataclass(kw_only=True)
class _Level:
    """An open list or map. `path` is None under a key that is given twice; `key` waits for its value."""

    items: list[object] | dict[str, object]
    path: KeyPath | None
    key: str | None = None
    key_span: Span | None = None
    repeated: bool = False


class _Composer:
    """Builds values from events, with a stack of its own: no recursion."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.root: object = None
        self.documents = 0
        self.spans: dict[KeyPath, Spans] = {}
        self.findings: list[Diagnostic] = []
        self._levels: list[_Level] = []
        self._values = 0

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._document(event)
            case yaml.ScalarEvent() if self._wants_key():
                self._key(event)
            case yaml.ScalarEvent():
                self._check(event)
                self._add(self._scalar(event), _span(event), plain=not event.style)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.MappingStartEvent():
                self._open(event, {})
            case yaml.SequenceStartEvent():
                self._open(event, [])
            case yaml.CollectionEndEvent():
                self._close(event)

    def _document(self, event: yaml.Event) -> None:
        self.documents += 1
        if self.documents > 1:
            self._stop("S111", "a second document starts here", event, "one file holds one story; delete this line")

    def _open(self, event: yaml.CollectionStartEvent, items: list[object] | dict[str, object]) -> None:
        if self._wants_key():
            self._stop("S116", "a key cannot be a list or a map", event, "keys are plain words, like `caption:`")
        if len(self._levels) == MAX_DEPTH:
            self._stop("S114", f"more than {MAX_DEPTH} levels deep", event, "a story needs no more than six levels")
        self._check(event)
        path = self._add(items, _span(event))
        self._levels.append(_Level(items=items, path=path))

    def _close(self, event: yaml.Event) -> None:
        level = self._levels.pop()
        if level.path is not None:
            opened = self.spans[level.path]
            self.spans[level.path] = opened._replace(value=(opened.value[0], _span(event)[1]))

    def _key(self, event: yaml.ScalarEvent) -> None:
        self._check(event)
        level, span = self._levels[-1], _span(event)
        if event.value == "<<" and not event.style:
            self._find("S110", '"<<" merges another map into this one', span, f"write its keys out; {_SHARED}")
        level.key, level.key_span, level.repeated = event.value, span, event.value in level.items
        if level.repeated and level.path is not None:
            first = self.spans[(*level.path, event.value)].key
            line = self.text.line_of(first[0]) if first else 0
            help = f"keep one of the two; the first is in line {line}"
            self._find("S109", f'the key "{shorten(event.value)}" is given twice', span, help)

    def _add(self, value: object, span: Span, *, plain: bool = False) -> KeyPath | None:
        """Put a value where it belongs; returns its path, or None under a key that is given twice."""
        self._values += 1
        if self._values > MAX_VALUES:
            raise Findings((*self.findings, self._diagnostic(*_TOO_MANY_VALUES, span)))
        path: KeyPath | None = ()
        key: Span | None = None
        if self._levels:
            key = self._levels[-1].key_span
            path = self._attach(self._levels[-1], value)
        else:
            self.root = value
        if path is not None:
            self.spans[path] = Spans(key=key, value=span, plain=plain)
        return path

    def _attach(self, parent: _Level, value: object) -> KeyPath | None:
        """Append to a list, or store under the waiting key of a map unless it is there already."""
        name: str | int
        if isinstance(parent.items, list):
            name = len(parent.items)
            parent.items.append(value)
        else:
            name, parent.key = parent.key or "", None
            if parent.repeated:
                return None
            parent.items[name] = value
        return None if parent.path is None else (*parent.path, name)

    def _wants_key(self) -> bool:
        return bool(self._levels) and isinstance(self._levels[-1].items, dict) and self._levels[-1].key is None

    def _scalar(self, event: yaml.ScalarEvent) -> object:
        text: str = event.value
        if event.style:
            return text
        if text in _WORDS:
            return _WORDS[text]
        number = _NUMBER.fullmatch(text)
        if number is None:
            return text
        if len(text) > MAX_DIGITS:
            message = f"{shorten(text, 24)} has more than {MAX_DIGITS} digits"
            self._find("S115", message, _span(event), "use a smaller number, or quotes if it is text")
            return 0
        return float(text) if number[1] else int(text)

    def _alias(self, event: yaml.AliasEvent) -> None:
        help = f'write the value out ({_SHARED}), or put text that starts with "*" in quotes'
        self._find("S110", f'"*{event.anchor}" repeats another value', _span(event), help)
        if self._wants_key():
            self._levels[-1].key, self._levels[-1].key_span = f"*{event.anchor}", _span(event)
        else:
            self._add(f"*{event.anchor}", _span(event))

    def _check(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        """S110 for an anchor or a tag, S103 for a control character that an escape makes."""
        start, end = _span(event)
        if event.anchor:
            help = f'delete it ({_SHARED}), or put text that starts with "&" in quotes'
            self._find("S110", f'"&{event.anchor}" names a value for reuse', (start, start + 1), help)
        if event.tag:
            help = 'delete it, or put text that starts with "!" in quotes'
            self._find("S110", f'the tag "{shorten(event.tag)}" asks for a type', (start, start + 1), help)

        found = FORBIDDEN.search(event.value) if isinstance(event, yaml.ScalarEvent) and event.style else None
        if found and len(self.findings) < MOST_FINDINGS:
            self.findings.append(forbidden(self.text, found[0], start, end))

    def _find(self, code: str, message: str, span: Span, help: str) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(self._diagnostic(code, message, help, span))

    def _diagnostic(self, code: str, message: str, help: str, span: Span) -> Diagnostic:
        return Diagnostic(code=code, message=message, place=self.text.place(*span), help=help)

    def _stop(self, code: str, message: str, event: yaml.Event, help: str) -> NoReturn:
        raise Findings((*self.findings, self._diagnostic(code, message, help, _span(event))))


_TOO_MANY_VALUES = ("S113", f"the file holds more than {MAX_VALUES} values", "tell a longer film in several stories")


def _span(event: yaml.Event) -> Span:
    assert event.start_mark
    assert event.end_mark
    return event.start_mark.index, event.end_mark.index
