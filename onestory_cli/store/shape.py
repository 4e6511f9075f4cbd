"""Values of JSON -> the dataclasses that `asdict` made them of. A file of a stranger may hold anything else instead."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

_PLAIN = {int: (int,), float: (float, int), str: (str,), bool: (bool,), NoneType: (NoneType,)}
_LARGEST = sys.float_info.max  # JSON has whole numbers beyond it, which no float holds


def build(kind: Any, value: Any, where: str = "") -> Any:
    """The value of a type: a dataclass, an enum, a tuple, a mapping, a union or a plain one, and what these hold.

    Raises:
        ValueError: it is of another type; `where` is its place.
    """
    if kind is Any:
        return value
    if is_dataclass(kind):
        return _dataclass(kind, value, where)
    if get_origin(kind) in (Union, UnionType):
        return _one_of(get_args(kind), value, where)
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind), value, where)
    if get_origin(kind) is Mapping:
        _require(isinstance(value, dict), where, "a map")
        return {key: build(get_args(kind)[1], item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, Enum):
        _require(value in [item.value for item in kind], where, "one of its words")
        return kind(value)
    _require(type(value) in _PLAIN[kind], where, kind.__name__)  # not isinstance: true is no number
    _require(kind is not float or abs(value) <= _LARGEST, where, "a number that one can reckon with")
    return value


def _dataclass(kind: Any, value: Any, where: str) -> Any:
    _require(isinstance(value, dict), where, "a map")
    types = _types(kind)
    _require(value.keys() <= types.keys(), where, "a map of known keys")
    try:
        return kind(**{key: build(types[key], item, f"{where}.{key}") for key, item in value.items()})
    except TypeError as fault:
        raise ValueError(f"{where or 'it'} lacks a key") from fault


@cache
def _types(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    others = [kind for kind in kinds if kind is not NoneType]
    if len(others) == 1:
        return build(others[0], value, where)
    _require(any(type(value) in _PLAIN[kind] for kind in others), where, "of its types")
    return value


def _tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    _require(isinstance(value, list), where, "a list")
    inner = [kinds[0]] * len(value) if kinds[1:] == (...,) else list(kinds)
    _require(len(inner) == len(value), where, f"a list of {len(inner)}")
    return tuple(build(kind, item, where) for kind, item in zip(inner, value, strict=True))


def _require(fits: bool, where: str, what: str) -> None:
    if not fits:
        raise ValueError(f"{where.lstrip('.') or 'it'} is not {what}")
