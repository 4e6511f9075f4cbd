from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import pytest

from onestory_cli.store.shape import build


class Kind(StrEnum):
    NEW = "new"


@dataclass(frozen=True, kw_only=True)
class Inner:
    kind: Kind
    at: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    count: int | None
    inner: Inner | None
    all: tuple[Inner, ...] = ()
    named: Mapping[str, str | int | None] = field(default_factory=dict)
    rest: Any = None


GOOD = Outer(name="a", count=1, inner=Inner(kind=Kind.NEW), all=(Inner(kind=Kind.NEW),), named={"b": 1}, rest=[{}])


def test_what_was_taken_apart_is_built_again() -> None:
    document = asdict(GOOD) | {"inner": {"kind": "new", "at": [0, 1.0]}, "all": [{"kind": "new"}]}
    assert build(Outer, document) == GOOD
    assert build(Outer, {"name": "a", "count": None, "inner": None}) == Outer(name="a", count=None, inner=None)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": 7}, "name is not str"),
        ({"count": True}, "count is not int"),
        ({"count": 1.0}, "count is not int"),
        ({"inner": []}, "inner is not a map"),
        ({"inner": {}}, "inner lacks a key"),
        ({"inner": {"kind": "old"}}, "inner.kind is not one of its words"),
        ({"inner": {"kind": ["new"]}}, "inner.kind is not one of its words"),
        ({"inner": {"kind": "new", "at": [1.0]}}, "inner.at is not a list of 2"),
        ({"all": {}}, "all is not a list"),
        ({"named": {"b": 1.5}}, "named.b is not of its types"),
        ({"other": 1}, "it is not a map of known keys"),
    ],
)
def test_what_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(Outer, {"name": "a", "count": None, "inner": None} | changed)
