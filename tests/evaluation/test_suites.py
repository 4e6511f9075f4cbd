"""The films of each suite, and that a perfect film has only right answers."""

from __future__ import annotations

import pytest

from onestory_cli.evaluation.consistency import CHARACTER, DYNAMIC, MEASURES
from onestory_cli.evaluation.questions import ROWS, answers_at
from onestory_cli.evaluation.suites import (
    SUITES,
    BenchmarkFilm,
    BenchmarkSuite,
    SuiteBuilder,
    film_answers,
    ladder,
    length,
    patterns,
    stories,
    twins,
    unseen,
)
from onestory_cli.storyworld.world import WorldConfig, is_held_out
from tests.evaluation.conftest import DRAWING, viewed

WORLD = WorldConfig(frames=5)
SECOND = WorldConfig(frames=5, version=2)
MADE = {
    "stories": stories(4, WORLD),
    "patterns": patterns(6, WORLD),
    "ladder": ladder(4, WORLD, gaps=(1, 2)),
    "length": length(3, WORLD, lengths=(6, 12)),
    "twins": twins(12, SECOND),
    "unseen": unseen(12, SECOND),
}


def test_every_suite_has_a_name() -> None:
    assert list(SUITES) == list(MADE) == [suite.name for suite in MADE.values()]


@pytest.mark.parametrize("suite", MADE.values(), ids=MADE)
def test_films_of_a_suite_can_be_batched(suite: BenchmarkSuite) -> None:
    assert len({len(film.story.shots) for film in suite.films}) == 1
    assert len({film.visible for film in suite.films}) == 1
    assert len({film.key for film in suite.films}) == len(suite.films)


def asked(film: BenchmarkFilm) -> list[tuple[str, float]]:
    """All answers about a perfect film."""
    return [*film_answers(film, [viewed(shot) for shot in film.story.shots], [DRAWING] * len(film.story.shots))]


@pytest.mark.parametrize("suite", MADE.values(), ids=MADE)
def test_perfect_film_has_only_right_answers(suite: BenchmarkSuite) -> None:
    answers = [answer for film in suite.films for answer in asked(film)]
    lower = (DYNAMIC, "colour shift since first")
    assert {row for row, value in answers if value != pytest.approx(1) and not row.endswith(lower)} == set()
    rare = {row for row in suite.rows if "detail" in row or "two characters" in row}
    assert set(suite.rows) - {row for row, _ in answers} <= rare


def test_ladder_measures_only_returns() -> None:
    film = MADE["ladder"].films[0]
    rows = [row for row, _ in asked(film)]
    assert {row.split(",")[0] for row in rows} == {"gap 1", "gap 2"}
    assert rows.count(f"gap 2, {CHARACTER}") == 1
    assert not any("first: " in row.replace("own first", "") for row in rows)


def test_length_measures_its_last_shots() -> None:
    film = MADE["length"].films[0]
    assert [(part.name, part.measured) for part in film.parts] == [
        ("shots 2 to 6", (1, 2, 3, 4, 5)),
        ("shots 8 to 12", (7, 8, 9, 10, 11)),
    ]


def test_measures_and_questions_have_different_names() -> None:
    assert not set(MEASURES) & set(ROWS)
    assert not any(", " in row for row in MEASURES)


def test_patterns_alternate_and_other_worlds_have_other_stories() -> None:
    assert [film.parts[1].name for film in MADE["patterns"].films[:3]] == [
        "main subject",
        "insert and recall",
        "composition",
    ]
    small = WorldConfig(frames=5, colours=("red", "blue"))
    assert not {film.key for film in stories(4, small).films} & {film.key for film in MADE["stories"].films}


def test_twins_are_measured_one_at_a_time() -> None:
    asked_shots = [(film.story, shot) for film in MADE["twins"].films for shot in film.parts[0].measured]
    assert len(asked_shots) > 20
    for story, index in asked_shots:
        (actor,) = story.shots[index].actors
        others = {other.look for shot in story.shots for other in shot.actors} - {actor.look}
        assert actor.look.species in {look.species for look in others}


def test_looks_of_twins_in_one_shot_are_not_measured() -> None:
    both = [
        (story, index)
        for story in (film.story for film in MADE["twins"].films)
        for index, shot in enumerate(story.shots)
        if len({actor.look.species for actor in shot.actors}) < len(shot.actors)
    ]
    assert both
    for story, index in both:
        readings = [viewed(shot).reading for shot in story.shots]
        assert not any(row.startswith(("first", "later", "two")) for row, _ in answers_at(story, index, readings))


def test_unseen_looks_are_held_out_of_training() -> None:
    actors = [actor for film in MADE["unseen"].films for shot in film.story.shots for actor in shot.actors]
    assert actors
    assert all(is_held_out(actor.look) for actor in actors)


@pytest.mark.parametrize("suite", [twins, unseen])
def test_version_1_has_no_twins_or_unseen_suites(suite: SuiteBuilder) -> None:
    with pytest.raises(ValueError, match="version 2"):
        suite(2, WORLD)
