"""Values put into the text of a story from outside: `shots.*.steps=40`. All else stays as it was, byte for byte.

The text is changed, not the values, so that the run directory keeps the story that was really rendered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from onestory_cli.errors import ExitCode, OnestoryError, did_you_mean, shorten
from onestory_cli.story.source import KeyPath, Source, Span, parse

ALL = "*"
_AS_IT_IS = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?|true|false|null|[\[{].*")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """`path` names a value: keys of maps, ids of shots, or * for all of them. `value` is text as in a story."""

    path: tuple[str, ...]
    value: str

    @classmethod
    def of(cls, text: str) -> Setting:
        """The setting in `PATH=VALUE`.

        Raises:
            OnestoryError: B802 for anything else.
        """
        path, equals, value = text.partition("=")
        words = tuple(path.strip().split("."))
        if not equals or not all(words):
            raise _refused(f'"{shorten(text)}" is not PATH=VALUE', "write it as in shots.*.steps=40")
        return cls(path=words, value=value.strip())

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}={self.value}"


@dataclass(frozen=True, kw_only=True)
class _Change:
    """The characters from `start` to `end` become `text`."""

    start: int
    end: int
    text: str


def with_settings(data: bytes, path: str, settings: Iterable[Setting]) -> bytes:
    """The story in `data` with the settings in it; `path` is for findings.

    Raises:
        Findings: the text or its YAML cannot be read.
        OnestoryError: B802 for a setting that names nothing in this story.
    """
    for setting in settings:
        source = parse(data, path)
        content = source.text.content
        changes = [_change(source, place, setting) for place in _places(source, setting)]
        for change in sorted(changes, key=lambda item: -item.start):
            content = content[: change.start] + change.text + content[change.end :]
        data = content.encode()
    return data


def _places(source: Source, setting: Setting) -> Iterator[KeyPath]:
    """Every place that a setting names; its last words may not be there yet."""
    places: list[KeyPath] = [()]
    for word in setting.path:
        places = [longer for place in places for longer in _below(source, place, word, setting)]
    yield from places


def _below(source: Source, place: KeyPath, word: str, setting: Setting) -> list[KeyPath]:
    value = _value(source, place)
    names = _names(value)
    if word == ALL:
        if not names:
            raise _refused(
                f'"{setting}" names nothing', "* stands for all shots, or for all keys of a map that is there"
            )
        return [(*place, name) for name in names.values()]
    if isinstance(value, list):
        if word not in names:
            help = did_you_mean(word, names) or f"there is {shorten(', '.join(names))}"
            raise _refused(f'"{setting}" names "{shorten(word)}", which is not there', help)
        return [(*place, names[word])]
    if value is not None and not isinstance(value, dict):
        raise _refused(f'"{setting}" goes on below "{place[-1]}", which is no map', "name the value itself")
    return [(*place, word)]


def _names(value: object) -> dict[str, str | int]:
    """What can be named in a map or in a list of things with ids."""
    if isinstance(value, list):
        return {str(item["id"]): number for number, item in enumerate(value) if isinstance(item, dict) and "id" in item}
    return {name: name for name in value} if isinstance(value, dict) else {}


def _value(source: Source, place: KeyPath) -> object:
    """The value at `place`; None where there is none."""
    value = source.value
    for name in place:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and isinstance(name, int):
            value = value[name]
        else:
            return None
    return value


def _change(source: Source, place: KeyPath, setting: Setting) -> _Change:
    """How a value comes to stand at `place`, together with the maps around it that are still missing."""
    there = place
    while there not in source.spans:
        there = there[:-1]
    text = _yaml(setting.value)
    for name in reversed(place[len(there) + 1 :]):
        text = f"{{{name}: {text}}}"
    start, end = source.spans[there].value
    if there == place or _value(source, there) is None:
        missing = place[len(there) :]
        text = f"{{{missing[0]}: {text}}}" if missing else text
        space = " " if start and source.text.content[start - 1] == ":" else ""
        return _Change(start=start, end=start + len(source.text.content[start:end].rstrip()), text=space + text)
    return _new_key(source, there, f"{place[len(there)]}: {text}")


def _new_key(source: Source, there: KeyPath, entry: str) -> _Change:
    """A map gets an entry before its last one, where its style and its indentation are known."""
    content, (start, end) = source.text.content, source.spans[there].value
    keys = [spans.key for path, spans in source.spans.items() if path[:-1] == there and spans.key and len(path) > 0]
    if not keys:
        return _Change(start=start, end=end, text=f"{{{entry}}}")
    before = _last(keys)
    if content[start] == "{":
        return _Change(start=before, end=before, text=f"{entry}, ")
    column = source.text.place(before, before).column - 1
    return _Change(start=before, end=before, text=f"{entry}\n{' ' * column}")


def _last(keys: list[Span]) -> int:
    return max(start for start, _ in keys)


def _yaml(value: str) -> str:
    """A value for a story: numbers, words, lists and maps as they are, all else as text in quotes."""
    return value if _AS_IT_IS.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def _refused(message: str, help: str) -> OnestoryError:
    return OnestoryError("B802", message, help=help, exit=ExitCode.USAGE)
