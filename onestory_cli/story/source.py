"""Parse strict YAML into plain values and the place of each in the file.

Only true, false, null and decimal numbers are special; `1:30`, `no`, `010`, `0x1f`, `1e3` and dates are text. Anchors,
aliases, tags and duplicate keys are errors. The parser's events are read one by one, so that the cost of a hostile file
is bounded by its size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, NoReturn

import yaml

from onestory_cli.errors import Diagnostic, Findings, Place, shorten
from onestory_cli.story.text import (
    FORBIDDEN,
    ODD_SPACE_AFTER_KEY,
    Text,
    decode,
    empty,
    forbidden,
    odd_space,
    odd_spaces,
)
from onestory_cli.story.yaml_errors import syntax_finding

MAX_VALUES = 50_000
MAX_DEPTH = 32
MAX_DIGITS = 19  # of a seed of 63 bits
MAX_FINDINGS = 200  # a file with more errors is not a story

KeyPath = tuple[str | int, ...]
Span = tuple[int, int]

# libyaml where PyYAML was built with it: 50 times faster, same events.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?")
_SHARED = "put what shots share under `defaults:`"
_WORDS: dict[str, object] = {"": None, "null": None, "true": True, "false": False}


class Spans(NamedTuple):
    """The spans of a key and its value. `key` is None for list items; `plain` means text without quotes or `|`."""

    key: Span | None
    value: Span
    plain: bool = False


@dataclass(frozen=True, kw_only=True)
class StorySource:
    """A parsed file: values and places. `findings` do not stop further checks of the values.

    `included` has the sources of the characters and settings that other files declare, by their path in the story:
    ("characters", "fox"). `value` contains those; `text` and `spans` do not.
    """

    text: Text
    value: object
    spans: dict[KeyPath, Spans] = field(repr=False)
    findings: tuple[Diagnostic, ...] = ()
    included: Mapping[KeyPath, StorySource] = field(default_factory=dict, repr=False)

    def place(self, path: KeyPath) -> Place:
        """The place of the value at `path` if it fits on one line, else of its key; of the nearest parent if absent."""
        text, spans = self._nearest(path)
        start, end = spans.value
        if spans.key and (start == end or not text.is_one_line(start, end)):
            return text.place(*spans.key)
        return text.place(start, end)

    def key_place(self, path: KeyPath) -> Place:
        """The place of the key at `path`, or of the value of a list item."""
        text, spans = self._nearest(path)
        return text.place(*(spans.key or spans.value))

    def place_inside(self, path: KeyPath, pattern: re.Pattern[str], nth: int) -> Place:
        """The place of the nth match of `pattern` (from 0) inside the text at `path`; `place` if there are fewer."""
        return self.find(path, pattern, nth) or self.place(path)

    def find(self, path: KeyPath, pattern: re.Pattern[str], nth: int = 0) -> Place | None:
        """Like `place_inside`, but None if the value or the match is absent.

        Searches the file, not the value, because quotes, folding and indentation move characters. `pattern` must match
        the same text in both.
        """
        text = self._owner(path).text
        match = next(islice(self.spans_inside(path, pattern), nth, None), None) if self.has(path) else None
        return text.place(match.start(), match.end()) if match else None

    def spans_inside(self, path: KeyPath, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """The matches of `pattern` in the file, inside the text at `path`."""
        text, spans = self._nearest(path)
        return pattern.finditer(text.content, *spans.value)

    def has(self, path: KeyPath) -> bool:
        """Whether the story or an included file has a value at `path`."""
        return path in self._owner(path).spans

    def comment_place(self, path: KeyPath) -> Place | None:
        """The place of a comment that cuts off text: `a robot # 7 waves`. Two spaces before # mark a real comment."""
        owner = self._owner(path)
        spans, text = owner.spans.get(path), owner.text
        if spans is None or not spans.plain or not text.content.startswith(" #", spans.value[1]):
            return None
        return text.place(spans.value[1] + 1, len(text.content))

    def _owner(self, path: KeyPath) -> StorySource:
        return self.included.get(path[:2], self)

    def _nearest(self, path: KeyPath) -> tuple[Text, Spans]:
        owner = self._owner(path)
        while path not in owner.spans:
            path = path[:-1]
        return owner.text, owner.spans[path]


def parse(data: bytes, path: str) -> StorySource:
    """Parse a story file into values and places.

    Raises:
        Findings: the text or its YAML cannot be read (S102 to S116).
    """
    text = decode(data, path)
    composer = _Composer(text)
    try:
        for event in yaml.parse(text.content, Loader=_LOADER):
            composer.take(event)
    except yaml.YAMLError as fault:
        spaces = tuple(odd_spaces(text))
        finding = syntax_finding(text, fault, composer.quoted)
        before = [item for item in composer.findings if item.code != "S117"]
        raise Findings((*before, *(spaces or (finding,)))) from fault
    if not composer.documents:
        raise Findings((empty(text),))
    return StorySource(text=text, value=composer.root, spans=composer.spans, findings=tuple(composer.findings))


@dataclass(kw_only=True)
class _OpenCollection:
    """An open list or map. `path` is None below a duplicate key; `key` is a key whose value follows."""

    items: list[object] | dict[str, object]
    path: KeyPath | None
    key: str | None = None
    key_span: Span | None = None
    repeated: bool = False


class _Composer:
    """Builds values from parser events with an explicit stack, without recursion."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.root: object = None
        self.documents = 0
        self.spans: dict[KeyPath, Spans] = {}
        self.findings: list[Diagnostic] = []
        self.quoted: Span | None = None  # the last text in quotes
        self._stack: list[_OpenCollection] = []
        self._values = 0

    def take(self, event: yaml.Event) -> None:
        """Add the next event of the parser."""
        if isinstance(event, yaml.ScalarEvent) and event.style in ("'", '"'):
            self.quoted = _span(event)
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
                self._start_collection(event, {})
            case yaml.SequenceStartEvent():
                self._start_collection(event, [])
            case yaml.CollectionEndEvent():
                self._end_collection(event)

    def _document(self, event: yaml.Event) -> None:
        self.documents += 1
        if self.documents > 1:
            self._stop("S111", "a second document starts here", event, "delete this line: a file has one story")

    def _start_collection(self, event: yaml.CollectionStartEvent, items: list[object] | dict[str, object]) -> None:
        if self._wants_key():
            self._stop("S116", "a key cannot be a list or a map", event, "use plain words as keys, like `caption:`")
        if len(self._stack) == MAX_DEPTH:
            self._stop("S114", f"nested more than {MAX_DEPTH} levels deep", event, "a story needs at most six levels")
        self._check(event)
        path = self._add(items, _span(event))
        self._stack.append(_OpenCollection(items=items, path=path))

    def _end_collection(self, event: yaml.Event) -> None:
        level = self._stack.pop()
        if level.path is not None:
            opened = self.spans[level.path]
            self.spans[level.path] = opened._replace(value=(opened.value[0], _span(event)[1]))

    def _key(self, event: yaml.ScalarEvent) -> None:
        self._check(event)
        level, span = self._stack[-1], _span(event)
        if event.value == "<<" and not event.style:
            self._find("S110", 'merge keys ("<<") are not supported', span, f"write the keys out; {_SHARED}")
        level.key, level.key_span, level.repeated = event.value, span, event.value in level.items
        if level.repeated and level.path is not None:
            first = self.spans[(*level.path, event.value)].key
            line = self.text.line_of(first[0]) if first else 0
            help = f"delete one of the two; the first is in line {line}"
            self._find("S109", f'duplicate key "{shorten(event.value)}"', span, help)

    def _add(self, value: object, span: Span, *, plain: bool = False) -> KeyPath | None:
        """Add a value to the open collection. Returns its path, or None below a duplicate key."""
        self._values += 1
        if self._values > MAX_VALUES:
            raise Findings((*self.findings, self._diagnostic(*_TOO_MANY_VALUES, span)))
        path: KeyPath | None = ()
        key: Span | None = None
        if self._stack:
            key = self._stack[-1].key_span
            path = self._attach(self._stack[-1], value)
        else:
            self.root = value
        if path is not None:
            self.spans[path] = Spans(key=key, value=span, plain=plain)
        return path

    def _attach(self, parent: _OpenCollection, value: object) -> KeyPath | None:
        """Append to a list, or store under the current key of a map unless it is a duplicate."""
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
        return bool(self._stack) and isinstance(self._stack[-1].items, dict) and self._stack[-1].key is None

    def _scalar(self, event: yaml.ScalarEvent) -> object:
        text: str = event.value
        if event.style:
            return text
        if text in _WORDS:
            return _WORDS[text]
        number = _NUMBER.fullmatch(text)
        if number is None:
            match = ODD_SPACE_AFTER_KEY.match(text)
            if match and len(self.findings) < MAX_FINDINGS:
                self.findings.append(odd_space(self.text, _span(event)[0] + match.start("space")))
            return text
        if len(text) > MAX_DIGITS:
            message = f"{shorten(text, 24)} has more than {MAX_DIGITS} digits"
            self._find("S115", message, _span(event), "use a smaller number, or quotes if it is text")
            return 0
        return float(text) if number[1] else int(text)

    def _alias(self, event: yaml.AliasEvent) -> None:
        help = f'write the value out ({_SHARED}), or put text that starts with "*" in quotes'
        self._find("S110", f'aliases such as "*{event.anchor}" are not supported', _span(event), help)
        if self._wants_key():
            self._stack[-1].key, self._stack[-1].key_span = f"*{event.anchor}", _span(event)
        else:
            self._add(f"*{event.anchor}", _span(event))

    def _check(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        """S110 for an anchor or tag, S103 for a control character written as an escape."""
        start, end = _span(event)
        if event.anchor:
            help = f'delete it ({_SHARED}), or put text that starts with "&" in quotes'
            self._find("S110", f'anchors such as "&{event.anchor}" are not supported', (start, start + 1), help)
        if event.tag:
            help = 'delete it, or put text that starts with "!" in quotes'
            self._find("S110", f'tags such as "{shorten(event.tag)}" are not supported', (start, start + 1), help)

        found = FORBIDDEN.search(event.value) if isinstance(event, yaml.ScalarEvent) and event.style else None
        if found and len(self.findings) < MAX_FINDINGS:
            self.findings.append(forbidden(self.text, found[0], start, end))

    def _find(self, code: str, message: str, span: Span, help: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(self._diagnostic(code, message, help, span))

    def _diagnostic(self, code: str, message: str, help: str, span: Span) -> Diagnostic:
        return Diagnostic(code=code, message=message, place=self.text.place(*span), help=help)

    def _stop(self, code: str, message: str, event: yaml.Event, help: str) -> NoReturn:
        raise Findings((*self.findings, self._diagnostic(code, message, help, _span(event))))


_TOO_MANY_VALUES = ("S113", f"the file has more than {MAX_VALUES} values", "split the film into several stories")


def _span(event: yaml.Event) -> Span:
    assert event.start_mark
    assert event.end_mark
    return event.start_mark.index, event.end_mark.index
