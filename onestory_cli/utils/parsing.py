"""Build dataclasses from parsed JSON or YAML. The input is untrusted."""

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
_MAX_FLOAT = sys.float_info.max  # whole numbers in a file may be larger
_MAX_PRINTED_BITS = 200  # Python refuses to convert much longer whole numbers to text

KeyPath = tuple[str | int, ...]  # keys and indices that lead to a value; formatted only for an error


def parse(kind: Any, value: Any, *, where: str = "") -> Any:
    """Convert parsed data to the type `kind`: a dataclass, enum, tuple, mapping, union or plain type, at any depth.

    Raises:
        ValueError: a value has another type, or a key is unknown or missing. The message names the path of the value,
            which begins with `where`.
    """
    return _value(kind, value, (where,) if where else ())


def _value(kind: Any, value: Any, path: KeyPath) -> Any:
    if kind is Any:
        return value
    if kind in _PLAIN:
        return _plain(kind, value, path)
    if is_dataclass(kind):
        return _dataclass(kind, value, path)
    if get_origin(kind) in (Union, UnionType):
        return _one_of(get_args(kind), value, path)
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind), value, path)
    if get_origin(kind) is Mapping:
        return _mapping(get_args(kind), value, path)
    assert issubclass(kind, Enum), f"unsupported field type {kind}"
    return _enum(kind, value, path)


def _plain(kind: type, value: Any, path: KeyPath) -> Any:
    if type(value) not in _PLAIN[kind]:  # not isinstance: bool is a subclass of int
        raise _wrong_type(path, _name(kind), value)
    if kind is not float:
        return value
    if not abs(value) <= _MAX_FLOAT:  # true for nan too
        raise _wrong_type(path, "a finite number", value)
    return float(value)


def _dataclass(kind: Any, value: Any, path: KeyPath) -> Any:
    if not isinstance(value, dict):
        raise _wrong_type(path, "a mapping", value)
    types, required = _types(kind), _required(kind)
    if unknown := sorted(str(key) for key in value if key not in types):
        raise _fault(path, f"unknown key '{shorten(unknown[0])}'; known: {', '.join(types)}")
    if missing := [key for key in required if key not in value]:
        raise _fault(path, f"'{missing[0]}' is missing")
    return kind(**{key: _value(types[key], item, (*path, key)) for key, item in value.items()})


@cache
def _types(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


@cache
def _required(kind: Any) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind) if item.default is MISSING and item.default_factory is MISSING)


def _one_of(kinds: tuple[Any, ...], value: Any, path: KeyPath) -> Any:
    if value is None and NoneType in kinds:
        return None
    others = [kind for kind in kinds if kind is not NoneType]
    if len(others) == 1:
        return _value(others[0], value, path)
    if not any(type(value) in _PLAIN[kind] for kind in others):
        raise _wrong_type(path, " or ".join(map(_name, kinds)), value)
    return value


def _tuple(kinds: tuple[Any, ...], value: Any, path: KeyPath) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _wrong_type(path, "a list", value)
    inner = [kinds[0]] * len(value) if kinds[1:] == (...,) else list(kinds)
    if len(inner) != len(value):
        raise _wrong_type(path, f"a list of {len(inner)}", value)
    return tuple(_value(kind, item, (*path, at)) for at, (kind, item) in enumerate(zip(inner, value, strict=True)))


def _mapping(kinds: tuple[Any, ...], value: Any, path: KeyPath) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _wrong_type(path, "a mapping", value)
    return {_value(kinds[0], key, path): _value(kinds[1], item, (*path, key)) for key, item in value.items()}


def _enum(kind: type[Enum], value: Any, path: KeyPath) -> Enum:
    words = [item.value for item in kind]
    if value not in words:
        raise _wrong_type(path, f"one of {', '.join(map(str, words))}", value)
    return kind(value)


def _wrong_type(path: KeyPath, needed: str, value: Any) -> ValueError:
    return _fault(path, f"expected {needed}, found {_found(value)}")


def _fault(path: KeyPath, what: str) -> ValueError:
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{shorten(step)}" for step in path).removeprefix(".")
    return ValueError(f"{name}: {what}" if name else what)


def _found(value: Any) -> str:
    """Describe a value for a message, in limited length."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, int) and value.bit_length() > _MAX_PRINTED_BITS:
        return "a number of more than 60 digits"
    return shorten(repr(value))


def _name(kind: Any) -> str:
    return "None" if kind is NoneType else str(kind.__name__)
