"""The benchmark on a model with random weights: complete, paired, reproducible, and no better than chance."""

from __future__ import annotations

import json

import pytest

from onestory_cli.evaluation.questions import LATER, ROWS
from onestory_cli.evaluation.readout import Readout
from onestory_cli.evaluation.result import Result
from onestory_cli.evaluation.storyworld import CEILING, Conduct, evaluate, held_out, judge_selector, make_films
from onestory_cli.evaluation.truth import world_of
from onestory_cli.generate.denoise import Schedule
from onestory_cli.models.load import LoadedModel
from onestory_cli.storyworld.stories import relevance
from tests.evaluation.conftest import WORLD

CONDUCT = Conduct(schedule=Schedule(name="euler", steps=1, shift=2.0, guidance=1.0), batch=2)
STORIES = held_out(3, WORLD)


@pytest.fixture(scope="module")
def result(model: LoadedModel, readout: Readout) -> Result:
    return evaluate(model, readout, stories=STORIES, policies=("adaptive", "none"), conduct=CONDUCT, world=WORLD)


def test_random_weights_know_nothing(result: Result) -> None:
    row = result.rows["adaptive"][f"{LATER}: all looks"]
    assert row.n > 0
    assert row.percent <= 25


def test_every_column_asks_the_same_questions(result: Result) -> None:
    assert list(result.rows) == ["adaptive", "none", CEILING]
    for row in ROWS:
        assert len({rows[row].n for rows in result.rows.values()}) == 1
    assert list(result.differences) == ["adaptive - none"]


def test_the_document_is_json_and_the_tables_agree(result: Result) -> None:
    document = json.loads(json.dumps(result.document()))
    assert document["schema"] == "onestory.evaluation.v1"
    assert set(document["rows"]["adaptive"]) == set(ROWS)
    lines = result.markdown().split("\n\n")[0].splitlines()
    assert len(lines) == 2 + len(result.table())
    assert {line.count("|") for line in lines} == {len(result.columns) + 1}


def test_films_do_not_depend_on_their_batch(model: LoadedModel, readout: Readout) -> None:
    def films(batch: int) -> object:
        conduct = Conduct(schedule=CONDUCT.schedule, batch=batch)
        return make_films(model, readout, STORIES[:2], "last", conduct, lambda *_: None).readings

    assert films(1) == films(2)


def test_the_selector_is_judged_by_the_stories_relevance() -> None:
    def first_choices(pick: object) -> list[list[list[int]]]:
        rows = []
        for story in STORIES:
            scores = [relevance(story, target) for target in range(len(story.shots))]
            rows.append([[2 * row.index(pick(row))] if row else [] for row in scores])
        return rows

    good, bad = (judge_selector(STORIES, first_choices(pick), frames=2).first_choice for pick in (max, min))
    assert good.n == bad.n > 0
    assert (good.percent, bad.percent) == (100, 0)


def test_the_world_is_what_the_model_has_words_for(model: LoadedModel) -> None:
    from dataclasses import replace

    words = ("a", "the", "fox", "bear", "red", "blue", "hat", "beach", "moon", "city", "at")
    world = world_of(replace(model.spec, words=words))
    assert (world.species, world.colours) == (("fox", "bear"), ("red", "blue"))
    assert (world.accessories, world.settings) == (("none", "hat"), ("beach", "moon"))
    with pytest.raises(ValueError, match="species"):
        world_of(replace(model.spec, words=("cat",)))
