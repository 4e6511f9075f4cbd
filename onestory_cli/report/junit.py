"""Report renders as JUnit XML: a suite per film, a test case per shot.

A shot passes if its accepted take matches the story.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from onestory_cli.errors import OnestoryError, format_concise
from onestory_cli.quality import faults
from onestory_cli.store.changes import frames_text
from onestory_cli.store.reuse import Decision
from onestory_cli.store.takes import Take

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 cannot hold


@dataclass(frozen=True, kw_only=True)
class JunitCase:
    """One shot. It passed unless it has an `error`, a `failure` of its take, or `skipped`; `out` has diagnostics.

    `seconds` is the time spent in this render.
    """

    name: str
    seconds: float = 0.0
    out: str = ""
    error: str = ""
    failure: str = ""
    skipped: str = ""


@dataclass(frozen=True, kw_only=True)
class JunitSuite:
    """One film; `name` is its story file. `elapsed` is the time of the whole render, with loading and joining."""

    name: str
    cases: tuple[JunitCase, ...]
    elapsed: float | None = None

    @property
    def errors(self) -> int:
        return sum(bool(case.error) for case in self.cases)

    @property
    def failures(self) -> int:
        return sum(bool(case.failure) for case in self.cases)

    @property
    def skipped(self) -> int:
        return sum(bool(case.skipped) for case in self.cases)

    @property
    def seconds(self) -> float:
        return sum(case.seconds for case in self.cases) if self.elapsed is None else self.elapsed


def suite_of(
    name: str, decisions: Sequence[Decision], *, fault: OnestoryError | None = None, since: float = 0.0
) -> JunitSuite:
    """The suite of a film after a render: `decisions` about its shots, and the error that ended the render, if any.

    Takes made before `since` (seconds since 1970) count no time.
    """
    cases: list[JunitCase] = []
    pending = fault
    for decision in decisions:
        if decision.action == "keep" and decision.take:
            cases.append(_passed(decision, decision.take, since))
        elif pending:
            cases.append(JunitCase(name=decision.job.shot, out=decision.job.caption, error=_text(pending)))
            pending = None
        else:
            cases.append(
                JunitCase(name=decision.job.shot, out=decision.job.caption, skipped=f"not rendered: {decision.why}")
            )
    if pending:  # all shots are done: joining the film failed
        cases.append(JunitCase(name="film", error=_text(pending)))
    return JunitSuite(name=name, cases=tuple(cases))


def suite_of_fault(name: str, fault: OnestoryError) -> JunitSuite:
    """The suite of a story that cannot be planned: one case with its findings."""
    return JunitSuite(name=name, cases=(JunitCase(name="story", error=_text(fault)),))


def junit(suites: Sequence[JunitSuite]) -> bytes:
    """The JUnit document of the suites."""
    root = Element("testsuites", _totals(suites))
    for suite in suites:
        element = SubElement(root, "testsuite", {"name": _clean(suite.name), **_totals([suite])})
        for case in suite.cases:
            _add_case(element, suite, case)
    ElementTree.indent(root)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root) + b"\n"


def _passed(decision: Decision, take: Take, since: float) -> JunitCase:
    record = take.record
    seconds = sum(record.seconds.values()) if record.created >= since else 0.0
    return JunitCase(name=decision.job.shot, seconds=seconds, out="\n".join(_diagnostics(decision, take)))


def _diagnostics(decision: Decision, take: Take) -> Iterator[str]:
    record = take.record
    yield f"caption: {decision.job.caption}"
    yield f"take {record.take} {take.id[:6]}: {record.reason}, seed {record.spec['seed']}"
    yield f"remembers {frames_text(record.memory.selected)}, {record.memory.context_tokens} tokens"
    yield f"clip: {take.clip}"
    for check in faults(record.checks):
        yield f"fault: {check.name} {check.value:g}, limit {check.limit:g}"


def _text(fault: OnestoryError) -> str:
    return "\n".join(format_concise(item) for item in fault.diagnostics)


def _totals(suites: Sequence[JunitSuite]) -> dict[str, str]:
    return {
        "tests": str(sum(len(suite.cases) for suite in suites)),
        "failures": str(sum(suite.failures for suite in suites)),
        "errors": str(sum(suite.errors for suite in suites)),
        "skipped": str(sum(suite.skipped for suite in suites)),
        "time": f"{sum(suite.seconds for suite in suites):.3f}",
    }


def _add_case(parent: Element, suite: JunitSuite, case: JunitCase) -> None:
    names = {"classname": _clean(suite.name), "name": _clean(case.name), "time": f"{case.seconds:.3f}"}
    element = SubElement(parent, "testcase", names)
    if case.error:
        error = SubElement(element, "error", message=_clean(case.error.splitlines()[0]))
        error.text = _clean(case.error)
    elif case.failure:
        SubElement(element, "failure", message=_clean(case.failure))
    elif case.skipped:
        SubElement(element, "skipped", message=_clean(case.skipped))
    if case.out:
        SubElement(element, "system-out").text = _clean(case.out)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
