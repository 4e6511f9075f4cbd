"""`--fail-on`: warnings that make a command exit with 1."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._options import option
from onestory_cli.errors import Diagnostic

if TYPE_CHECKING:
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.store.run import Run

WARNINGS, FAULTS = "warnings", "faults"
_CODE = re.compile(r"W\d[\dx]{2}|W\d{1,3}", re.IGNORECASE)


def _read(value: str | None) -> str | None:
    """Callback of the option.

    Raises:
        typer.BadParameter: an item is neither a word nor a code.
    """
    for item in _items(value):
        if item not in (WARNINGS, FAULTS) and not _CODE.fullmatch(item):
            raise typer.BadParameter(f'"{item}" is not a warning code such as W310 or W32x, "warnings" or "faults"')
    return value


FailOn = Annotated[
    str | None,
    option(
        "--fail-on",
        metavar="CODE,...",
        help="Exit with 1 on these warnings: codes such as W310 or W32x, `faults` (of takes) or `warnings`.",
        callback=_read,
    ),
]


def has_failed(findings: Iterable[Diagnostic], fail_on: str | None) -> bool:
    """Whether a finding is one of the warnings in `fail_on`."""
    patterns = [_pattern(item) for item in _items(fail_on)]
    return any(pattern.match(finding.code) for finding in findings for pattern in patterns)


def bad_takes(plan: Plan, run: Run, fail_on: str | None) -> dict[str, str]:
    """Shots whose accepted take failed a check that is in `fail_on`, and the failed checks as text."""
    from onestory_cli.quality import RULES, faults
    from onestory_cli.store.reuse import forecast

    patterns = [_pattern(item) for item in _items(fail_on)]
    found: dict[str, str] = {}
    for decision in forecast(plan, run) if patterns else ():
        if decision.take and decision.action == "keep":
            checks = faults(decision.take.record.checks)
            bad = [check for check in checks if any(pattern.match(RULES[check.name].code) for pattern in patterns)]
            found |= {decision.job.shot: ", ".join(map(str, bad))} if bad else {}
    return found


def _items(value: str | None) -> list[str]:
    return [item.strip() for item in (value or "").split(",") if item.strip()]


def _pattern(item: str) -> re.Pattern[str]:
    known = {WARNINGS: "W", FAULTS: "W32"}
    return re.compile(known.get(item, item.upper().replace("X", r"\d")))
