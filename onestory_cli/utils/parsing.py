"""What JSON or YAML holds -> the dataclasses that it is to be. A file of a stranger may hold anything else instead."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from onestory_cli.errors import shorten

_PLAIN = {int: (int,), float: (float, int), str: (str,), bool: (bool,), NoneType: (NoneType,)}
_LARGEST = sys.float_info.max  # files have whole numbers beyond it, which no float holds
_LONG = 200  # bits of a whole number; of one that is much longer Python refuses to write the digits

Place = tuple[str | int, ...]  # keys and positions on the way to a value, written out where it is refused only


def build(kind: Any, value: Any, *, where: str = "") -> Any:
    """The value of a type: a dataclass, an enum, a tuple, a mapping, a union or a plain one, and what these hold.

    Raises:
        ValueError: it, or what it holds, is of another kind, or a key is unknown or missing. The message names the
            place, and `where` is the name of the whole in it.
    """
    return _value(kind, value, (where,) if where else ())


def _value(kind: Any, value: Any, place: Place) -> Any:
    if kind is Any:
        return value
    if kind in _PLAIN:
        return _plain(kind, value, place)
    if is_dataclass(kind):
        return _dataclass(kind, value, place)
    if get_origin(kind) in (Union, UnionType):
        return _one_of(get_args(kind), value, place)
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind), value, place)
    if get_origin(kind) is Mapping:
        return _mapping(get_args(kind), value, place)
    assert issubclass(kind, Enum), "a field is of none of the other kinds"
    return _word(kind, value, place)


def _plain(kind: type, value: Any, place: Place) -> Any:
    if type(value) not in _PLAIN[kind]:  # not isinstance: true is no number
        raise _other(place, _name(kind), value)
    if kind is not float:
        return value
    if not abs(value) <= _LARGEST:  # said this way round, nan is refused too
        raise _other(place, "a finite float", value)
    return float(value)


def _dataclass(kind: Any, value: Any, place: Place) -> Any:
    if not isinstance(value, dict):
        raise _other(place, "a mapping", value)
    types, required = _types(kind), _required(kind)
    if unknown := sorted(str(key) for key in value if key not in types):
        raise _fault(place, f"unknown key '{shorten(unknown[0])}'; known: {', '.join(types)}")
    if missing := [key for key in required if key not in value]:
        raise _fault(place, f"'{missing[0]}' is missing")
    return kind(**{key: _value(types[key], item, (*place, key)) for key, item in value.items()})


@cache
def _types(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


@cache
def _required(kind: Any) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind) if item.default is MISSING and item.default_factory is MISSING)


def _one_of(kinds: tuple[Any, ...], value: Any, place: Place) -> Any:
    if value is None and NoneType in kinds:
        return None
    others = [kind for kind in kinds if kind is not NoneType]
    if len(others) == 1:
        return _value(others[0], value, place)
    if not any(type(value) in _PLAIN[kind] for kind in others):
        raise _other(place, " or ".join(map(_name, kinds)), value)
    return value


def _tuple(kinds: tuple[Any, ...], value: Any, place: Place) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _other(place, "a list", value)
    inner = [kinds[0]] * len(value) if kinds[1:] == (...,) else list(kinds)
    if len(inner) != len(value):
        raise _other(place, f"a list of {len(inner)}", value)
    return tuple(_value(kind, item, (*place, at)) for at, (kind, item) in enumerate(zip(inner, value, strict=True)))


def _mapping(kinds: tuple[Any, ...], value: Any, place: Place) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _other(place, "a mapping", value)
    return {_value(kinds[0], key, place): _value(kinds[1], item, (*place, key)) for key, item in value.items()}


def _word(kind: type[Enum], value: Any, place: Place) -> Enum:
    words = [item.value for item in kind]
    if value not in words:
        raise _other(place, f"one of {', '.join(map(str, words))}", value)
    return kind(value)


def _other(place: Place, needed: str, value: Any) -> ValueError:
    return _fault(place, f"{needed} is needed, not {_found(value)}")


def _fault(place: Place, what: str) -> ValueError:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{shorten(step)}" for step in place).removeprefix(".")
    return ValueError(f"{path}: {what}" if path else what)


def _found(value: Any) -> str:
    """A value for a message, which is short whatever a file holds."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, int) and value.bit_length() > _LONG:
        return "a number of more than 60 digits"
    return shorten(repr(value))


def _name(kind: Any) -> str:
    return "None" if kind is NoneType else str(kind.__name__)
