from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from onestory_cli.errors import OnestoryError
from onestory_cli.planning.compile import compile_story
from onestory_cli.report.junit import JunitCase, JunitSuite, junit, suite_of, suite_of_fault
from onestory_cli.store.reuse import Decision, forecast
from onestory_cli.store.run import Run
from tests.commands.conftest import change

FAULT = OnestoryError("M508", "the clip\x07 cannot be read", help="render again")


def decisions(story: Path, run: Path) -> tuple[Decision, ...]:
    plan, _ = compile_story(story)
    return forecast(plan, Run.open(run))


def read(*suites: JunitSuite) -> Element:
    return ElementTree.fromstring(junit(suites))


def test_a_finished_film_has_a_passed_case_for_each_shot(story: Path, film_run: Path) -> None:
    root = read(suite_of(str(story), decisions(story, film_run)))
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3",
        "failures": "0",
        "errors": "0",
        "skipped": "0",
    }
    cases = list(root.iter("testcase"))
    assert [(case.get("classname"), case.get("name"), case.get("time")) for case in cases] == [
        ("film.story.yaml", shot, "0.250") for shot in ("opening", "city", "return")
    ]
    output = cases[2].findtext("system-out") or ""
    assert "caption: The same fox waves on the same beach." in output
    assert "remembers " in output
    assert "clip.mp4" in output


def test_work_of_earlier_renders_is_not_counted(story: Path, film_run: Path) -> None:
    suite = suite_of("film", decisions(story, film_run), since=float("inf"))
    assert suite.seconds == 0


def test_the_first_missing_shot_has_the_error_and_the_rest_is_skipped(story: Path, film_run: Path) -> None:
    change(story, "A city at night.", "A city at dawn.")
    root = read(suite_of("film", decisions(story, film_run), fault=FAULT))
    opening, city, last = root.iter("testcase")
    assert [item.tag for item in opening] == ["system-out"]
    assert [item.tag for item in city] == ["error", "system-out"]
    assert [item.tag for item in last] == ["skipped", "system-out"]
    assert city.findtext("error") == "error[M508] the clip\ufffd cannot be read (render again)"
    assert (root.get("errors"), root.get("skipped")) == ("1", "1")


def test_without_a_fault_what_is_pending_is_skipped(story: Path, film_run: Path) -> None:
    change(story, "A city at night.", "A city at dawn.")
    suite = suite_of("film", decisions(story, film_run))
    assert (suite.errors, suite.skipped) == (0, 2)
    assert suite.cases[1].skipped == "not rendered: caption changed"


def test_an_error_after_all_shots_belongs_to_the_film(story: Path, film_run: Path) -> None:
    suite = suite_of("film", decisions(story, film_run), fault=FAULT)
    assert [(case.name, bool(case.error)) for case in suite.cases][-1] == ("film", True)


def test_a_story_that_cannot_be_planned_is_one_case() -> None:
    (case,) = read(suite_of_fault("film", FAULT)).iter("testcase")
    assert (case.get("name"), case.find("error") is not None) == ("story", True)


def test_films_are_summed() -> None:
    films = [
        JunitSuite(name=name, cases=(JunitCase(name="a", seconds=1.5), JunitCase(name="b", error="bad")))
        for name in "xy"
    ]
    root = read(*films)
    assert {key: root.get(key) for key in ("tests", "errors", "time")} == {"tests": "4", "errors": "2", "time": "3.000"}
    assert [suite.get("name") for suite in root] == ["x", "y"]
