"""What came of renders as JUnit XML, which every build server reads: a suite per film, a test case per shot.

A shot passes when the take that counts stands as the story is now. It knows nothing of who rendered, so that one film
or a batch of them, made here or elsewhere, are told by the same functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from onestory_cli.errors import OnestoryError, format_concise
from onestory_cli.quality import faults
from onestory_cli.store.reuse import Decision
from onestory_cli.store.selection_diff import frames_text
from onestory_cli.store.takes import Take

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 cannot hold


@dataclass(frozen=True, kw_only=True)
class JunitCase:
    """One shot. `out` are its diagnostics. It passed unless there is an `error`, a `failure` of its take, or `skipped`.

    `seconds` is the work on it in this render.
    """

    name: str
    seconds: float = 0.0
    out: str = ""
    error: str = ""
    failure: str = ""
    skipped: str = ""


@dataclass(frozen=True, kw_only=True)
class JunitSuite:
    """One film; `name` is its story's file."""

    name: str
    cases: tuple[JunitCase, ...]

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
        return sum(case.seconds for case in self.cases)


def suite_of(
    name: str, decisions: Sequence[Decision], *, fault: OnestoryError | None = None, since: float = 0.0
) -> JunitSuite:
    """A film as it is after a render: `decisions` say what stands by now, `fault` what ended the render, if anything.

    Work on takes made before `since`, in seconds since 1970, is not counted.
    """
    cases: list[JunitCase] = []
    told = fault
    for decision in decisions:
        if decision.action == "keep" and decision.take:
            cases.append(_passed(decision, decision.take, since))
        elif told:
            cases.append(JunitCase(name=decision.job.shot, out=decision.job.caption, error=_text(told)))
            told = None
        else:
            cases.append(
                JunitCase(name=decision.job.shot, out=decision.job.caption, skipped=f"not rendered: {decision.why}")
            )
    if told:  # no shot is to blame: the film could not be joined
        cases.append(JunitCase(name="film", error=_text(told)))
    return JunitSuite(name=name, cases=tuple(cases))


def suite_of_fault(name: str, fault: OnestoryError) -> JunitSuite:
    """A story that could not even be planned: one case with all that is wrong with it."""
    return JunitSuite(name=name, cases=(JunitCase(name="story", error=_text(fault)),))


def junit(suites: Sequence[JunitSuite]) -> bytes:
    """The suites as one document."""
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
