"""Apply `--set` overrides such as `shots.*.steps=40` to the text of a story. All other bytes stay the same.

The text is edited, not the parsed values, so that the run directory keeps the story that was really rendered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from onestory_cli.errors import ExitCode, OnestoryError, did_you_mean, shorten
from onestory_cli.story.source import KeyPath, Span, StorySource, parse

ALL = "*"
_VERBATIM = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?|true|false|null|[\[{].*")


@dataclass(frozen=True, kw_only=True)
class Override:
    """One override. `path` has map keys, shot ids, or * for all of them; `value` is written as in a story."""

    path: tuple[str, ...]
    value: str

    @classmethod
    def parse(cls, text: str) -> Override:
        """Parse `PATH=VALUE`.

        Raises:
            OnestoryError: B802 if the text has another form.
        """
        path, equals, value = text.partition("=")
        words = tuple(path.strip().split("."))
        if not equals or not all(words):
            raise _refused(f'"{shorten(text)}" is not PATH=VALUE', "for example shots.*.steps=40")
        return cls(path=words, value=value.strip())

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}={self.value}"


@dataclass(frozen=True, kw_only=True)
class _Edit:
    """Replace the characters from `start` to `end` by `text`."""

    start: int
    end: int
    text: str


def apply_overrides(data: bytes, path: str, overrides: Iterable[Override]) -> bytes:
    """The story in `data` with the overrides applied; `path` is for findings.

    Raises:
        Findings: the text or its YAML cannot be read.
        OnestoryError: B802 if an override matches nothing in this story.
    """
    for override in overrides:
        source = parse(data, path)
        content = source.text.content
        edits = [_edit(source, place, override) for place in _places(source, override)]
        for edit in sorted(edits, key=lambda item: -item.start):
            content = content[: edit.start] + edit.text + content[edit.end :]
        data = content.encode()
    return data


def _places(source: StorySource, override: Override) -> Iterator[KeyPath]:
    """Every path that an override matches; its last keys may not exist yet."""
    places: list[KeyPath] = [()]
    for word in override.path:
        places = [longer for place in places for longer in _below(source, place, word, override)]
    yield from places


def _below(source: StorySource, place: KeyPath, word: str, override: Override) -> list[KeyPath]:
    value = _value(source, place)
    names = _names(value)
    if word == ALL:
        if not names:
            raise _refused(f'"{override}" matches nothing', "* matches all shots, or all keys of an existing map")
        return [(*place, name) for name in names.values()]
    if isinstance(value, list):
        if word not in names:
            help = did_you_mean(word, names) or f"it has {shorten(', '.join(names))}"
            raise _refused(f'"{override}": "{shorten(word)}" not found', help)
        return [(*place, names[word])]
    if value is not None and not isinstance(value, dict):
        raise _refused(f'"{override}": "{place[-1]}" is not a map', "end the path at that key")
    return [(*place, word)]


def _names(value: object) -> dict[str, str | int]:
    """The names that a path can use in a map, or in a list of items with ids, and the keys they refer to."""
    if isinstance(value, list):
        return {str(item["id"]): number for number, item in enumerate(value) if isinstance(item, dict) and "id" in item}
    return {name: name for name in value} if isinstance(value, dict) else {}


def _value(source: StorySource, place: KeyPath) -> object:
    """The value at `place`, or None."""
    value = source.value
    for name in place:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and isinstance(name, int):
            value = value[name]
        else:
            return None
    return value


def _edit(source: StorySource, place: KeyPath, override: Override) -> _Edit:
    """The edit that puts the value at `place`, and creates the maps around it that are missing."""
    existing = place
    while existing not in source.spans:
        existing = existing[:-1]
    text = _yaml(override.value)
    for name in reversed(place[len(existing) + 1 :]):
        text = f"{{{name}: {text}}}"
    start, end = source.spans[existing].value
    if existing == place or _value(source, existing) is None:
        missing = place[len(existing) :]
        text = f"{{{missing[0]}: {text}}}" if missing else text
        space = " " if start and source.text.content[start - 1] == ":" else ""
        return _Edit(start=start, end=start + len(source.text.content[start:end].rstrip()), text=space + text)
    return _new_key(source, existing, f"{place[len(existing)]}: {text}")


def _new_key(source: StorySource, existing: KeyPath, entry: str) -> _Edit:
    """The edit that inserts an entry before the last one of a map, where style and indentation are known."""
    content, (start, end) = source.text.content, source.spans[existing].value
    keys = [spans.key for path, spans in source.spans.items() if path[:-1] == existing and spans.key and len(path) > 0]
    if not keys:
        return _Edit(start=start, end=end, text=f"{{{entry}}}")
    before = _last(keys)
    if content[start] == "{":
        return _Edit(start=before, end=before, text=f"{entry}, ")
    column = source.text.place(before, before).column - 1
    return _Edit(start=before, end=before, text=f"{entry}\n{' ' * column}")


def _last(keys: list[Span]) -> int:
    return max(start for start, _ in keys)


def _yaml(value: str) -> str:
    """The value as YAML: numbers, true, false, null, lists and maps verbatim, all else as quoted text."""
    return value if _VERBATIM.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def _refused(message: str, help: str) -> OnestoryError:
    return OnestoryError("B802", message, help=help, exit=ExitCode.USAGE)
