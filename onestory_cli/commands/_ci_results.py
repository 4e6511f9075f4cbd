"""Results for a build server: warnings that make a command exit with 1, and JUnit files."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._files import JUNIT, require_writable, write_result
from onestory_cli.commands._options import option
from onestory_cli.errors import Diagnostic, OnestoryError

if TYPE_CHECKING:
    from onestory_cli.batch.plan_films import BatchPlan
    from onestory_cli.batch.result import BatchResult, Outcome
    from onestory_cli.batch.run_batch import PlannedFilm
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.report.junit import JunitSuite
    from onestory_cli.store.run import Run

WARNINGS, FAULTS = "warnings", "faults"
_CODE = re.compile(r"W\d[\dx]{2}|W\d{1,3}", re.IGNORECASE)


def _check_fail_on(value: str | None) -> str | None:
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
        callback=_check_fail_on,
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


Suites = Callable[[OnestoryError | None], "list[JunitSuite]"]


@contextmanager
def junit_on_exit(file: Path | None, suites: Suites) -> Iterator[None]:
    """Write `suites(error)` to `file` at the end of the context; `error` is what ended it, or None.

    Nothing is written without a file or without suites. An earlier JUnit file of onestory is replaced.

    Raises:
        OnestoryError: U605 or U608 at the beginning, if the file cannot be written.
    """
    if file is None:
        yield
        return
    require_writable(file, JUNIT, force=True)
    try:
        yield
    except BaseException as fault:
        _write(file, suites(fault if isinstance(fault, OnestoryError) else None))
        raise
    _write(file, suites(None))


def _write(file: Path, suites: list[JunitSuite]) -> None:
    from onestory_cli.report.junit import junit

    if suites:
        declaration, _, rest = junit(suites).partition(b"\n")
        write_result(file, declaration + b"\n" + JUNIT + rest)


def film_suite(
    name: str, plan: Plan, folder: Path, fault: OnestoryError | None, since: float, fail_on: str | None = None
) -> JunitSuite:
    """The results of a film as its run directory has them now. Work before `since` (seconds since 1970) is 0 s.

    Shots whose accepted take has a fault that is in `fail_on` are failures.
    """
    from onestory_cli.report.junit import suite_of
    from onestory_cli.store.locate import existing_run
    from onestory_cli.store.reuse import forecast

    try:
        run = existing_run(folder)
    except OnestoryError:  # another file is there, which `fault` reports
        run = None
    suite = suite_of(name, forecast(plan, run), fault=fault, since=since)
    bad = bad_takes(plan, run, fail_on) if run else {}
    return replace(suite, cases=tuple(replace(case, failure=bad.get(case.name, "")) for case in suite.cases))


class RenderResults:
    """The suite of one render: of its plan, or of the error that came before there was a plan."""

    def __init__(self, story: Path, fail_on: str | None = None) -> None:
        self._story, self._fail_on, self._since = story, fail_on, time.time()
        self._planned: tuple[Plan, Path] | None = None

    def planned(self, plan: Plan, folder: Path) -> None:
        """Record the plan and the run directory."""
        self._planned = plan, folder

    def suites(self, fault: OnestoryError | None) -> list[JunitSuite]:
        from onestory_cli.report.junit import suite_of_fault

        if self._planned:
            suite = film_suite(str(self._story), *self._planned, fault, self._since, self._fail_on)
            return [replace(suite, elapsed=time.time() - self._since)]
        return [suite_of_fault(str(self._story), fault)] if fault else []


class BatchResults:
    """The suites of a batch: one per film, with its name. An error that ended the batch belongs to every film."""

    def __init__(self, fail_on: str | None = None) -> None:
        self._fail_on, self._since = fail_on, time.time()
        self._plans: BatchPlan | None = None
        self._outcomes: dict[str, Outcome] = {}

    def planned(self, plans: BatchPlan) -> None:
        """Record the plans and the films that have none."""
        self._plans = plans

    def ended(self, result: BatchResult) -> None:
        """Record the outcomes of the films."""
        self._outcomes = {row.film.name: row.outcome for row in result.rows}

    def suites(self, fault: OnestoryError | None) -> list[JunitSuite]:
        from onestory_cli.report.junit import suite_of_fault

        if self._plans is None:
            return [suite_of_fault("batch", fault)] if fault else []
        refused = [suite_of_fault(item.film.name, item.fault) for item in self._plans.refused]
        of_all = None if refused else fault
        return [*refused, *(self._suite(item, of_all) for item in self._plans.planned)]

    def _suite(self, item: PlannedFilm, fault: OnestoryError | None) -> JunitSuite:
        """The suite of a film, with the time that `batch.json` has for it."""
        outcome = self._outcomes.get(item.film.name)
        fault = (outcome.fault if outcome else None) or fault
        suite = film_suite(item.film.name, item.plan, item.film.run, fault, self._since, self._fail_on)
        return replace(suite, elapsed=outcome.seconds if outcome else None)
