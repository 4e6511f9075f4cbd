from __future__ import annotations

import pickle
import re
from functools import partial
from pathlib import Path

import pytest

import onestory_cli
from onestory_cli.codes import CODES, Code
from onestory_cli.errors import (
    Diagnostic,
    ExitCode,
    Findings,
    OnestoryError,
    Place,
    closest,
    did_you_mean,
    format_concise,
    format_full,
    lookup,
    shorten,
)

PACKAGE = Path(onestory_cli.__file__).parent
FINDING = Diagnostic(
    code="S104",
    message='unknown character "foks" in shot "return"',
    place=Place(path="film.story.yaml", line=31, column=7, length=5, source_line="      $foks waves."),
    help='did you mean "fox"?',
)


def used_codes() -> dict[str, str]:
    """Every code in a string of the package, and where it is used."""
    found: dict[str, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if "codes" not in path.relative_to(PACKAGE).parts:
            for code in re.findall(r'"([A-Z]\d{3})"', path.read_text(encoding="utf-8")):
                found.setdefault(code, str(path.relative_to(PACKAGE)))
    return found


def test_every_used_code_is_explained() -> None:
    assert {code: where for code, where in used_codes().items() if code not in CODES} == {}


def test_every_explained_code_is_used() -> None:
    assert CODES.keys() - used_codes().keys() == set()


def test_every_explanation_is_complete() -> None:
    assert [row.code for row in CODES.values() if not is_complete(row)] == []


def is_complete(row: Code) -> bool:
    return bool(
        re.fullmatch(r"[SWRMTUIXB]\d{3}", row.code)
        and 1 <= row.explanation.count(". ") + 1 <= 5
        and row.explanation.endswith(".")
        and not row.title.endswith(".")
        and row.bad
        and row.good
    )


def test_lookup_takes_either_case() -> None:
    assert lookup(" s104 ").title == "Unknown character or setting"
    assert (lookup("W301").severity, lookup("S101").severity) == ("warning", "error")


@pytest.mark.parametrize("code", ["S999", "", "foks", "x" * 10_000])
def test_lookup_of_an_unknown_code(code: str) -> None:
    with pytest.raises(OnestoryError) as caught:
        lookup(code)
    assert (caught.value.code, caught.value.exit) == ("U601", ExitCode.USAGE)
    assert len(caught.value.message) < 100


@pytest.mark.parametrize(
    "fault",
    [
        OnestoryError("U607", "not enough memory", help="close other programs", exit=ExitCode.MACHINE),
        Findings((Diagnostic(code="S104", message="no shot", place=Place(path="a.yaml", line=2)),)),
    ],
)
def test_error_survives_pickling(fault: OnestoryError) -> None:
    same = pickle.loads(pickle.dumps(fault))
    assert (type(same), str(same), same.exit) == (type(fault), str(fault), fault.exit)
    assert same.diagnostics == fault.diagnostics


def test_full() -> None:
    assert format_full(FINDING) == (
        'error[S104]: unknown character "foks" in shot "return"\n'
        "  --> film.story.yaml:31:7\n"
        "   |\n"
        "31 |       $foks waves.\n"
        "   |       ^^^^^\n"
        '   = help: did you mean "fox"?'
    )


def test_full_marks_further_places() -> None:
    story = partial(Place, path="film.story.yaml", line=9)
    first = story(column=3, length=3, source_line="A fox and a fxo.")
    second = story(column=13, length=3, source_line="A fox and a fxo.")
    third = Place(path="cast.yaml", line=10, column=1, length=2, source_line="ox")
    finding = Diagnostic(code="W310", message="unknown", severity="warning", place=first, further=(second, third))
    assert format_full(finding) == (
        "warning[W310]: unknown\n"
        "  --> film.story.yaml:9:3\n"
        "   |\n"
        " 9 | A fox and a fxo.\n"
        "   |   ^^^       ^^^\n"
        "  ::: cast.yaml:10:1\n"
        "10 | ox\n"
        "   | ^^"
    )


def test_full_shows_the_first_lines_only() -> None:
    places = [Place(path="a", line=line, source_line="fxo") for line in range(1, 21)]
    shown = format_full(Diagnostic(code="W310", message="", place=places[0], further=tuple(places[1:])))
    assert shown.count("fxo") == 8
    assert shown.endswith(" | ... and 12 more lines")


def test_full_without_a_place() -> None:
    finding = Diagnostic(code="M504", message="no GPU", severity="warning", help="use the processor")
    assert format_full(finding) == "warning[M504]: no GPU\n  = help: use the processor"


@pytest.mark.parametrize(
    ("line", "column", "carets"),
    [
        ("\tfox", 2, "\t^^^"),
        ("狐と fox", 4, "     ^^^"),
        ("狐fox", 1, "^^^^"),
        ("e\u0301 fox", 4, "  ^^^"),
        ("ab", 3, "  ^"),
    ],
)
def test_carets_are_under_the_marked_text(line: str, column: int, carets: str) -> None:
    place = Place(path="a", line=1, column=column, length=3, source_line=line)
    shown = format_full(Diagnostic(code="S101", message="", place=place)).splitlines()
    assert shown[-1] == f"  | {carets}"


def test_concise() -> None:
    assert format_concise(FINDING) == (
        'film.story.yaml:31:7: error[S104] unknown character "foks" in shot "return" (did you mean "fox"?)'
    )
    assert format_concise(Diagnostic(code="M504", message="no GPU")) == "error[M504] no GPU"


def test_near_names() -> None:
    assert closest("foks", ["bear", "fox"]) == "fox"
    assert did_you_mean("zzz", ["bear", "fox"]) == ""


def test_shorten() -> None:
    assert shorten("a\n b\x1b[0m") == "a b\ufffd[0m"
    assert len(shorten("x" * 1000)) == 60
