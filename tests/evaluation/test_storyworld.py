"""The benchmark on a model with random weights: complete, paired, reproducible, and at chance level."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from onestory_cli.evaluation.questions import LATER, ROWS
from onestory_cli.evaluation.readout import Readout
from onestory_cli.evaluation.result import BenchmarkResult, markdown
from onestory_cli.evaluation.rollouts import CEILING, BenchmarkSettings
from onestory_cli.evaluation.storyworld import NOISE_STRIDE, evaluate, score_selector
from onestory_cli.evaluation.suites import BenchmarkSuite, ladder, length, stories
from onestory_cli.evaluation.variants import by_policy
from onestory_cli.evaluation.world import world_of
from onestory_cli.generation.denoise import DenoiseConfig
from onestory_cli.generation.rollout import RolloutConfig, RolloutFilm, roll_out
from onestory_cli.models.load import LoadedModel
from onestory_cli.storyworld.stories import relevance
from onestory_cli.storyworld.vocabulary import words_of
from tests.evaluation.conftest import WORLD

CONDUCT = BenchmarkSettings(schedule=DenoiseConfig(name="euler", steps=1, shift=2.0, guidance=1.0), batch=2)
STORIES = stories(3, WORLD)
ADAPTIVE, NONE = by_policy(("adaptive", "none"), (4.0,), frames=8)


@pytest.fixture(scope="module")
def result(model: LoadedModel, readout: Readout) -> BenchmarkResult:
    return evaluate(model, readout, suite=STORIES, variants=(ADAPTIVE, NONE), settings=CONDUCT, world=WORLD)


@pytest.mark.slow
def test_random_weights_are_at_chance_level(result: BenchmarkResult) -> None:
    row = result.rows["adaptive"][f"{LATER}: all looks"]
    assert row.n > 0
    assert row.percent <= 25


def test_every_column_has_the_same_questions(result: BenchmarkResult) -> None:
    assert list(result.rows) == ["adaptive", "none", CEILING]
    asked = [row for row in ROWS if row in result.rows["adaptive"]]
    assert len(asked) > 20
    for row in asked:
        assert len({rows[row].n for rows in result.rows.values()}) == 1
    assert list(result.differences) == ["adaptive - none"]


@pytest.mark.slow
def test_noise_seeds_repeat_every_story(lively: LoadedModel, readout: Readout, result: BenchmarkResult) -> None:
    """The answers over two noise seeds equal those of two results with one seed each."""

    def made(**fields: int) -> BenchmarkResult:
        settings = replace(CONDUCT, **fields)
        return evaluate(lively, readout, suite=STORIES, variants=(NONE,), settings=settings, world=WORLD)

    both, first, second = made(noise_seeds=2), made(), made(seed=NOISE_STRIDE)
    row = f"{LATER}: colour"
    tallies = [item.tallies["none"][row] for item in (first, second, both)]
    assert tallies[2].n == 2 * tallies[0].n
    assert (tallies[0].right_Z + tallies[1].right_Z).tolist() == tallies[2].right_Z.tolist()
    assert not first.diversity
    assert both.diversity["none"] > 0
    assert first.tallies["none"]["sharpness"].right_Z.tolist() != second.tallies["none"]["sharpness"].right_Z.tolist()


def test_drawing_is_compared_with_true_frames(result: BenchmarkResult) -> None:
    """Random weights draw noise or nothing; the ceiling went through the random VAE."""
    assert list(result.frechet) == ["adaptive", "none", CEILING]
    assert min(result.frechet.values()) > 0
    assert result.rows[CEILING]["sharpness"].n == 3 * 6


def test_baseline_without_its_own_weights_has_a_note(result: BenchmarkResult) -> None:
    (recent,) = by_policy(("recent",), (4.0,), frames=8)
    assert not any("trained to select" in note for note in result.notes())
    noted = replace(result, variants=(*result.variants, recent)).notes()
    assert any("`recent` used weights that were trained with the selector" in note for note in noted)


def test_document_is_json_and_matches_tables(result: BenchmarkResult) -> None:
    document = json.loads(json.dumps(result.document()))
    assert document["schema"] == "onestory.evaluation.v1"
    assert set(document["tallies"]["none"]) == set(document["rows"]["ceiling"])
    assert document["films"] == [film.key for film in STORIES.films]
    lines = markdown(result.table(), result.notes()).split("\n\n")[0].splitlines()
    assert len(lines) == 1 + len(result.table()) == 2 + len(result.shown)
    assert len({line.count("|") for line in lines}) == 1


def test_result_states_accuracy_of_the_readout(result: BenchmarkResult, readout: Readout) -> None:
    assert result.readout == readout.accuracy["decoded"]
    assert f"colour {result.readout['colour']:.1%}" in result.notes()[-1]


@pytest.mark.parametrize(
    "suite", [ladder(2, WORLD, gaps=(1, 2)), length(2, WORLD, lengths=(6, 8))], ids=lambda suite: suite.name
)
def test_ladders_and_long_films_are_measured(model: LoadedModel, readout: Readout, suite: BenchmarkSuite) -> None:
    found = evaluate(model, readout, suite=suite, variants=(ADAPTIVE,), settings=CONDUCT, world=WORLD)
    names = {part.name for film in suite.films for part in film.parts}
    assert {row.split(", ")[0] for row in found.shown} == names
    assert found.rows[CEILING][f"{min(names)}, caption alignment"].n > 0
    assert found.selector.first_choice.n > 0


def remembered(positions_1K: torch.Tensor, shots: Sequence[int]) -> list[tuple[int, int]]:
    """Bank positions as (shot of the story, latent frame); a shot has two latent frames."""
    return [(shots[position // 2], position % 2) for position in positions_1K[0].tolist()]


def test_return_does_not_depend_on_other_returns(model: LoadedModel) -> None:
    (film,) = ladder(1, WORLD, gaps=(1, 2)).films
    captions = [shot.caption for shot in film.story.shots]
    chosen: list[torch.Tensor] = []
    config = RolloutConfig(policy="recent", denoise=CONDUCT.schedule, frames=2, budget=2.0)
    for _ in roll_out(model, [RolloutFilm(captions=captions)], config, visible=film.visible, selections=chosen):
        pass
    assert chosen[2].tolist() == [[3, 2]]  # the first shot and one distraction have two latent frames each
    assert chosen[4].tolist() == [[5, 4]]
    kept, chosen_alone = [0, 1, 3, 4], list[torch.Tensor]()
    alone = RolloutFilm(captions=[captions[shot] for shot in kept])
    for _ in roll_out(model, [alone], config, selections=chosen_alone):
        pass
    assert remembered(chosen[4], film.visible[4]) == remembered(chosen_alone[3], kept) == [(3, 1), (3, 0)]


def test_selector_is_scored_by_the_relevance_of_the_story() -> None:
    def first_choices(pick: object) -> list[list[list[int]]]:
        rows = []
        for film in STORIES.films:
            scores = [relevance(film.story, target) for target in range(len(film.story.shots))]
            rows.append([[2 * row.index(pick(row))] if row else [] for row in scores])
        return rows

    good, bad = (score_selector(STORIES.films, first_choices(pick), frames=2).first_choice for pick in (max, min))
    assert good.n == bad.n > 0
    assert (good.percent, bad.percent) == (100, 0)


def test_world_is_the_part_that_the_model_has_words_for(model: LoadedModel) -> None:
    words = ("a", "the", "fox", "bear", "red", "blue", "hat", "beach", "moon", "city", "at")
    world = world_of(replace(model.spec, words=words))
    assert (world.species, world.colours) == (("fox", "bear"), ("red", "blue"))
    assert (world.accessories, world.settings) == (("none", "hat"), ("beach", "moon"))
    assert world.version == 1
    with pytest.raises(ValueError, match="species"):
        world_of(replace(model.spec, words=("cat",)))


def test_a_model_of_version_2_may_lack_kites(model: LoadedModel) -> None:
    for kites in (True, False):
        world = world_of(replace(model.spec, words=words_of(2, kites=kites)))
        assert (world.version, world.kites) == (2, kites)
