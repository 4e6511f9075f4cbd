"""Values out of YAML -> frozen dataclasses, field by field. No torch here."""

from __future__ import annotations

import dataclasses
import sys
import types
from typing import Any, Union, get_args, get_origin, get_type_hints

PLAIN: dict[type, tuple[type, ...]] = {int: (int,), float: (int, float), str: (str,), bool: (bool,)}


def build(kind: type, tree: Any, *, where: str) -> Any:
    """A frozen dataclass of type `kind` from a mapping; `where` names the mapping in messages.

    Raises:
        TypeError: a value is of another kind than its field.
        ValueError: a key is unknown or missing.
    """
    if not isinstance(tree, dict):
        raise TypeError(f"{where}: a mapping is needed, not {tree!r}")
    known = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(str(name) for name in tree if name not in known)
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; known: {', '.join(known)}")
    missing = [name for name, field in known.items() if name not in tree and field.default is dataclasses.MISSING]
    if missing:
        raise ValueError(f"{where}: {missing[0]!r} is missing")
    hints = get_type_hints(kind, vars(sys.modules[kind.__module__]))
    return kind(**{name: _value(hints[name], value, f"{where}.{name}") for name, value in tree.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    """One entry as its annotation asks for."""
    if get_origin(kind) in (Union, types.UnionType):
        inner = [item for item in get_args(kind) if item is not type(None)]
        assert len(inner) == 1, "a field is of one kind, or of one kind or None"
        return None if value is None else _value(inner[0], value, where)
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        return build(kind, value, where=where)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise TypeError(f"{where}: a list is needed, not {value!r}")
        item_kind = get_args(kind)[0]
        return tuple(_value(item_kind, item, f"{where}[{index}]") for index, item in enumerate(value))
    fits = isinstance(value, PLAIN[kind]) and (kind is bool or not isinstance(value, bool))
    if not fits:
        raise TypeError(f"{where}: {kind.__name__} is needed, not {value!r}")
    return float(value) if kind is float else value
