"""Where a story declares and mentions ids. Offsets are characters of the text, ranges are half-open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onestory_cli.story.captions import REFERENCE
from onestory_cli.story.source import KeyPath, StorySource

CAST = ("characters", "settings")


@dataclass(frozen=True, kw_only=True)
class Symbol:
    """An id in the text: a character, a setting or a shot. `start` and `end` cover the id alone."""

    kind: str
    id: str
    start: int
    end: int
    declares: bool


def find_symbols(source: StorySource, text: str, cast: Mapping[str, str]) -> Iterator[Symbol]:
    """Every id in a text, declarations first. `cast` maps the ids of characters and settings to their kinds."""
    if isinstance(source.value, dict):
        yield from _declarations(source, text)
        yield from _memory_sources(source, text)
        yield from _mentions(source, text, cast)


def _declarations(source: StorySource, text: str) -> Iterator[Symbol]:
    for kind in CAST:
        for id in _keys(source, (kind,)):
            if (span := source.spans[(kind, id)].key) is not None:
                yield Symbol(kind=kind.removesuffix("s"), id=id, start=span[0], end=span[1], declares=True)
    for path, id in _texts(source, "shots", "id"):
        yield from _inside(source, text, path, id, "shot", declares=True)


def _memory_sources(source: StorySource, text: str) -> Iterator[Symbol]:
    for path in source.spans:
        if len(path) == 5 and path[0] == "shots" and path[2:4] == ("memory", "from"):
            value = _value_at(source.value, path)
            if isinstance(value, str):
                yield from _inside(source, text, path, value, "shot", declares=False)


def _mentions(source: StorySource, text: str, cast: Mapping[str, str]) -> Iterator[Symbol]:
    for path, _ in _texts(source, "shots", "caption"):
        start, end = source.spans[path].value
        for match in REFERENCE.finditer(text, start, end):
            id = match["name"]
            if id in cast:
                yield Symbol(kind=cast[id], id=id, start=match.start("name"), end=match.end("name"), declares=False)


def _inside(source: StorySource, text: str, path: KeyPath, id: str, kind: str, *, declares: bool) -> Iterator[Symbol]:
    """The id inside its value, without quotes."""
    start, end = source.spans[path].value
    found = text.find(id, start, end)
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
