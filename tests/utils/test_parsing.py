from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import pytest

from onestory_cli.utils.parsing import parse


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


def test_asdict_round_trips() -> None:
    document = asdict(GOOD) | {"inner": {"kind": "new", "at": [0, 1.0]}, "all": [{"kind": "new"}]}
    assert parse(Outer, document) == GOOD
    assert parse(Outer, {"name": "a", "count": None, "inner": None}) == Outer(name="a", count=None, inner=None)


def test_an_int_becomes_a_float_if_the_field_is_a_float() -> None:
    low, high = parse(Inner, {"kind": "new", "at": [0, 2]}).at
    assert (type(low), type(high)) == (float, float)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": 7}, "name: expected str, found 7"),
        ({"count": True}, "count: expected int, found True"),
        ({"count": 1.0}, "count: expected int, found 1.0"),
        ({"inner": []}, "inner: expected a mapping, found a list of 0"),
        ({"inner": {}}, "inner: 'kind' is missing"),
        ({"inner": {"kind": "old"}}, "inner.kind: expected one of new, found 'old'"),
        ({"inner": {"kind": ["new"]}}, "inner.kind: expected one of new, found a list of 1"),
        ({"inner": {"kind": "new", "at": [1.0]}}, "inner.at: expected a list of 2, found a list of 1"),
        ({"inner": {"kind": "new", "at": [1.0, "b"]}}, "inner.at[1]: expected float, found 'b'"),
        ({"all": {}}, "all: expected a list, found a mapping"),
        ({"all": [{"kind": "new"}, {"kind": None}]}, "all[1].kind: expected one of new, found None"),
        ({"named": []}, "named: expected a mapping, found a list of 0"),
        ({"named": {"b": 1.5}}, "named.b: expected str or int or None, found 1.5"),
        ({"named": {7: "b"}}, "named: expected str, found 7"),
        ({"other": 1}, "unknown key 'other'; known: name, count, inner, all, named, rest"),
        ({7: 1}, "unknown key '7'; known: name, count, inner, all, named, rest"),
    ],
)
def test_errors_name_the_path_and_the_expected_type(changed: dict[Any, Any], message: str) -> None:
    tree = {"name": "a", "count": None, "inner": None} | changed
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse(Outer, tree)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        parse(Outer, tree, where="film")
    assert re.match(r"film[.:]", str(caught.value))


@pytest.mark.parametrize("number", [10**400, -(10**400), float("inf"), float("nan")])
def test_numbers_that_do_not_fit_a_float_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match=r"^at\[0\]: expected a finite number, found"):
        parse(Inner, {"kind": "new", "at": [number, 0]})


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
def test_messages_are_short(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected|unknown key") as caught:
        parse(Outer, {"name": "a", "count": None, "inner": None} | changed)
    assert len(str(caught.value)) < 200


def test_messages_have_no_control_characters() -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse(Outer, {"name": "a", "count": None, "inner": None, "named": {"\x1b[2J\n": 1.5}})
    assert str(caught.value).isprintable()


def test_numbers_that_python_refuses_to_print_are_refused() -> None:
    with pytest.raises(ValueError, match="name: expected str, found a number of more than 60 digits"):
        parse(Outer, {"name": 16**5000, "count": None, "inner": None})
