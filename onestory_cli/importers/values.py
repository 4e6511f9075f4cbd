"""Read untrusted JSON as nodes that know their place and which of their keys were not used."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TypeVar

from onestory_cli.errors import Diagnostic, Findings, shorten
from onestory_cli.importers.draft import ImportReport
from onestory_cli.story.text import FORBIDDEN, Text

MAX_DEPTH = 32
_MAX_DIGITS = 300  # of a whole number, which still fits a float
_SURROGATE = re.compile("[\ud800-\udfff]")
T = TypeVar("T")


class Node:
    """A map of the source. Reading a key marks it as used; `report_unused` reports the others."""

    def __init__(self, values: dict[str, Any], where: str, report: ImportReport) -> None:
        self._values, self.where, self._report = values, where, report
        self._read: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def at(self, key: str) -> str:
        """The place of a key: `scenes[2].cut`."""
        return f"{self.where}.{key}" if self.where else key

    def value(self, key: str, *, required: bool = False) -> Any:
        """Any value, or None. Its form is not checked."""
        self._read.add(key)
        if required and key not in self._values:
            self._report.fault(f'"{key}" is missing', self.where or "the whole file")
        return self._values.get(key)

    def text(self, key: str, *, required: bool = False, lines: bool = False) -> str:
        """A text on one line, or "". With `lines` line breaks stay."""
        value = self.value(key, required=required)
        return "" if value is None else _as_text(value, self.at(key), self._report, lines=lines)

    def number(self, key: str) -> str:
        """A whole number or a text, as text, or ""."""
        value = self.value(key)
        return str(value) if type(value) is int else self.text(key)

    def texts(self, key: str, *, required: bool = False, lines: bool = False) -> list[str]:
        """A list of texts; a single text becomes a list. `lines` is as in `text`."""
        items = _listed(self.value(key, required=required))
        return [
            _as_text(item, f"{self.at(key)}[{index}]", self._report, lines=lines) for index, item in enumerate(items)
        ]

    def flags(self, key: str) -> list[bool]:
        """A list of booleans; a single one becomes a list."""
        items = _listed(self.value(key))
        if wrong := [index for index, item in enumerate(items) if not isinstance(item, bool)]:
            self._report.fault("expected true or false", f"{self.at(key)}[{wrong[0]}]")
        return [item is True for item in items]

    def nodes(self, key: str) -> Iterator[Node]:
        """The maps in a required list."""
        value = self.value(key, required=True)
        if not isinstance(value, list):
            if key in self:
                self._report.fault("expected a list", self.at(key))
            return
        for index, item in enumerate(value):
            where = f"{self.at(key)}[{index}]"
            if isinstance(item, dict):
                yield Node(item, where, self._report)
            else:
                self._report.fault("expected a map", where)

    def entries(self, key: str, kind: type[T]) -> list[tuple[str, T]]:
        """The keys and values in an optional map, of values of one type."""
        value = self.value(key)
        items = value.items() if isinstance(value, dict) else ()
        return [(name, item) for name, item in items if isinstance(item, kind)]

    def items(self) -> Iterator[tuple[str, Any]]:
        """All keys and values, as used ones."""
        for key in self._values:
            yield key, self.value(key)

    def use(self, *keys: str) -> None:
        """Mark keys as used."""
        self._read.update(keys)

    def peek(self, key: str) -> Any:
        """Any value, or None, without marking the key as used."""
        return self._values.get(key)

    def matching(self, pattern: re.Pattern[str]) -> list[str]:
        """The keys that match a pattern, in the order of the source."""
        return [key for key in self._values if pattern.fullmatch(key)]

    def report_unused(self) -> None:
        """Report W701 for every key that was not used."""
        for key in self._values:
            if key not in self._read:
                self._report.left_out(f'"{shorten(key)}"', self.at(key))


def list_of(value: Any) -> list[Any]:
    """A list as it is; [] for anything else."""
    return value if isinstance(value, list) else []


def maps_in(value: Any) -> list[dict[str, Any]]:
    """The maps in a list; [] for anything else."""
    return [item for item in list_of(value) if isinstance(item, dict)]


def _listed(value: Any) -> list[Any]:
    """A list of one or several values; [] for None."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _as_text(value: Any, where: str, report: ImportReport, *, lines: bool = False) -> str:
    """A value that must be text, on one line unless `lines`; "" after reporting I702 for anything else."""
    if isinstance(value, str):
        return value.strip() if lines else " ".join(value.split())
    report.fault("expected text", where)
    return ""


def node_of(value: Any, text: Text, report: ImportReport, *, start: int = 0) -> Node:
    """The map of a value from `read_json`. A list becomes a map with the key `shots`.

    Raises:
        Findings: I702 for anything else.
    """
    if isinstance(value, list):
        captions = all(isinstance(item, str) or (isinstance(item, dict) and "caption" in item) for item in value)
        value = {"shots": [item["caption"] if captions and isinstance(item, dict) else item for item in value]}
    if not isinstance(value, dict):
        raise _refused(text, start, "expected a map in braces")
    return Node(value, "", report)


def stories_in(value: Any) -> list[Any]:
    """The stories of a value from `read_json`: the items of a list of lists, or of maps with their own captions."""
    if isinstance(value, list) and value:
        lists = all(isinstance(item, list) for item in value)
        if lists or all(isinstance(item, dict) and isinstance(item.get("cap_list"), list) for item in value):
            return value
    return [value]


def read_json(content: str, text: Text, *, start: int = 0) -> Any:
    """The value in `content`, which starts at position `start` of `text`.

    Raises:
        Findings: I702 not JSON, or a value that a story cannot contain.
    """
    try:
        value = json.loads(
            content, object_pairs_hook=_map, parse_constant=_no_number, parse_int=_whole, parse_float=float
        )
        _check(value)
    except _BadCharacter as fault:
        raise _refused(text, start + _position(content, fault.char), str(fault)) from fault
    except json.JSONDecodeError as fault:
        raise _refused(text, start + fault.pos, f"this is not JSON: {fault.msg}") from fault
    except (RecursionError, _Refused) as fault:
        raise _refused(text, start, str(fault) if isinstance(fault, _Refused) else _TOO_DEEP) from fault
    return value


_TOO_DEEP = f"the source is nested more than {MAX_DEPTH} levels deep"


class _Refused(Exception):
    """A value that a story cannot contain."""


class _BadCharacter(_Refused):
    """A text with a character that a story cannot contain."""

    def __init__(self, char: str) -> None:
        kind = "half of a surrogate pair" if _SURROGATE.match(char) else "control character"
        super().__init__(f"{kind} U+{ord(char):04X} is not allowed in a story")
        self.char = char


def _position(content: str, char: str) -> int:
    """The position of a character in JSON, where it may be written as an escape."""
    surrogate = "\ud800" <= char <= "\udfff"
    for match in _ESCAPE.finditer(content):
        half = match["pair"] is None and int(match["code"] or "0", 16) == ord(char)
        if half and (surrogate or match["code"]):
            return match.start()
    return max(content.find(char), 0)


# An escaped character; a pair of surrogates is one.
_ESCAPE = re.compile(r"\\(?:u(?:(?P<pair>d[89ab][\da-f]{2}\\ud[c-f][\da-f]{2})|(?P<code>[\da-f]{4}))|.)", re.IGNORECASE)


def _map(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Refused(f'duplicate key "{shorten(twice)}"')
    return values


def _no_number(name: str) -> float:
    raise _Refused(f"{name} is not a finite number")


def _whole(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise _Refused(f"{shorten(digits, 24)} has more than {_MAX_DIGITS} digits")
    return int(digits)


def _check(value: Any) -> None:
    """Refuse control characters and surrogates, which escapes can produce, and too much nesting."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, list):
                inner += item
            elif isinstance(item, dict):
                inner += (*item, *item.values())
        if not inner:
            return
        level = inner
    raise _Refused(_TOO_DEEP)


def _check_text(text: str) -> None:
    if found := FORBIDDEN.search(text) or _SURROGATE.search(text):
        raise _BadCharacter(found[0])


def _refused(text: Text, position: int, message: str) -> Findings:
    help = "fix the source, or name its format with `--from`"
    return Findings((Diagnostic(code="I702", message=message, place=text.place(position, position + 1), help=help),))
