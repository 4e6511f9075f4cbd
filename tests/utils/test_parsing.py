from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import pytest

from onestory_cli.utils.parsing import build


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


def test_a_whole_number_is_a_float_where_one_is_asked_for() -> None:
    low, high = build(Inner, {"kind": "new", "at": [0, 2]}).at
    assert (type(low), type(high)) == (float, float)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": 7}, "name: str is needed, not 7"),
        ({"count": True}, "count: int is needed, not True"),
        ({"count": 1.0}, "count: int is needed, not 1.0"),
        ({"inner": []}, "inner: a mapping is needed, not a list of 0"),
        ({"inner": {}}, "inner: 'kind' is missing"),
        ({"inner": {"kind": "old"}}, "inner.kind: one of new is needed, not 'old'"),
        ({"inner": {"kind": ["new"]}}, "inner.kind: one of new is needed, not a list of 1"),
        ({"inner": {"kind": "new", "at": [1.0]}}, "inner.at: a list of 2 is needed, not a list of 1"),
        ({"inner": {"kind": "new", "at": [1.0, "b"]}}, "inner.at[1]: float is needed, not 'b'"),
        ({"all": {}}, "all: a list is needed, not a mapping"),
        ({"all": [{"kind": "new"}, {"kind": None}]}, "all[1].kind: one of new is needed, not None"),
        ({"named": []}, "named: a mapping is needed, not a list of 0"),
        ({"named": {"b": 1.5}}, "named.b: str or int or None is needed, not 1.5"),
        ({"named": {7: "b"}}, "named: str is needed, not 7"),
        ({"other": 1}, "unknown key 'other'; known: name, count, inner, all, named, rest"),
        ({7: 1}, "unknown key '7'; known: name, count, inner, all, named, rest"),
    ],
)
def test_what_is_refused(changed: dict[Any, Any], message: str) -> None:
    tree = {"name": "a", "count": None, "inner": None} | changed
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        build(Outer, tree)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        build(Outer, tree, where="film")
    assert re.match(r"film[.:]", str(caught.value))


@pytest.mark.parametrize("number", [10**400, -(10**400), float("inf"), float("nan")])
def test_a_number_that_no_float_holds_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match=r"^at\[0\]: a finite float is needed, not"):
        build(Inner, {"kind": "new", "at": [number, 0]})


@pytest.mark.parametrize(
    "changed",
    [
        {"count": "a" * 10**6},
        {"name": 10**4000},
        {"name": [["a"] * 10**4] * 10},
        {"a" * 10**6: 1},
        {"named": {"a" * 10**6: 1.5}},
    ],
)
def test_a_message_is_short_whatever_a_file_holds(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is needed|unknown key") as caught:
        build(Outer, {"name": "a", "count": None, "inner": None} | changed)
    assert len(str(caught.value)) < 200


def test_a_message_holds_nothing_that_a_terminal_would_obey() -> None:
    with pytest.raises(ValueError, match="is needed") as caught:
        build(Outer, {"name": "a", "count": None, "inner": None, "named": {"\x1b[2J\n": 1.5}})
    assert str(caught.value).isprintable()


def test_a_number_whose_digits_python_refuses_to_write_is_refused() -> None:
    with pytest.raises(ValueError, match="name: str is needed, not a number of more than 60 digits"):
        build(Outer, {"name": 16**5000, "count": None, "inner": None})
