"""Words that a model with a closed vocabulary does not know."""

from __future__ import annotations

from dataclasses import replace

from onestory_cli.errors import Diagnostic, Place
from onestory_cli.planning.planner import make_plan
from onestory_cli.story.types import Shot
from tests.films import SPEC, shot, story_of

KNOWN = replace(SPEC, words=("a", "the", "fox", "wide", "shot", "close-up", "half", "moon", "waves", "Beach"))


def warnings_of(*shots: Shot) -> tuple[Diagnostic, ...]:
    _, warnings = make_plan(story_of(*shots), KNOWN)
    return warnings


def test_an_unknown_word_is_told_once_with_its_shots_and_near_words() -> None:
    place = Place(path="film.story.yaml", line=4)
    warnings = warnings_of(
        shot("opening", "A fix waves.", places={"caption": place}), shot("return", "the fix, the FIX")
    )
    assert [(item.code, item.severity, item.place) for item in warnings] == [("W310", "warning", place)]
    assert warnings[0].message == '"numbers" does not know the word "fix" (shots opening, return)'
    assert warnings[0].help == "near words: fox; `onestory models --words` lists all"


def test_case_hyphens_and_possessives_do_not_make_a_word_unknown() -> None:
    assert warnings_of(shot("a", "Close-up. The fox's beach, a half-moon. WIDE shot")) == ()


def test_a_word_far_from_all_others_has_only_the_list() -> None:
    assert warnings_of(shot("a", "dragon"))[0].help == "`onestory models --words` lists all"


def test_many_shots_are_counted() -> None:
    assert "(shots a, b, c and 2 more)" in warnings_of(*(shot(id, "dragon") for id in "abcde"))[0].message


def test_an_open_vocabulary_knows_everything() -> None:
    _, warnings = make_plan(story_of(shot("a", "dragon")), SPEC)
    assert warnings == ()
