"""Films of a model with random weights: their groups, and the settings they depend on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from onestory_cli.evaluation.readout import Readout
from onestory_cli.evaluation.rollouts import (
    BenchmarkSettings,
    SeenFilms,
    generate_films,
    generate_group,
    split_into_groups,
)
from onestory_cli.evaluation.suites import BenchmarkSuite, stories
from onestory_cli.evaluation.variants import Variant, by_policy
from onestory_cli.generation.denoise import DenoiseConfig
from onestory_cli.models.load import LoadedModel
from tests.evaluation.conftest import WORLD

CONDUCT = BenchmarkSettings(schedule=DenoiseConfig(name="euler", steps=1, shift=2.0, guidance=1.0), batch=2)
STORIES = stories(3, WORLD)
ADAPTIVE, LAST = by_policy(("adaptive", "last"), (4.0,), frames=8)


def seen(
    model: LoadedModel, readout: Readout, variant: Variant, suite: BenchmarkSuite, settings: BenchmarkSettings
) -> SeenFilms:
    here = partial(map, partial(generate_group, model, readout))
    return generate_films(here, suite, variant, settings, lambda *_: None)


@pytest.mark.slow
def test_memory_guidance_changes_only_shots_with_memory(lively: LoadedModel, readout: Readout) -> None:
    plain, guided = (
        seen(lively, readout, replace(ADAPTIVE, guidance=guidance), STORIES, CONDUCT).views for guidance in (0.0, 3.0)
    )
    for (first, second, *_), (same, other, *_) in zip(plain, guided, strict=True):
        assert np.array_equal(first.place, same.place)  # the first shot has no memory
        assert not np.array_equal(second.place, other.place)


def test_films_do_not_depend_on_the_batch(model: LoadedModel, readout: Readout) -> None:
    suite = replace(STORIES, films=STORIES.films[:2])

    def readings(batch: int) -> list[list[object]]:
        films = seen(model, readout, LAST, suite, replace(CONDUCT, batch=batch))
        return [[view.reading.looks for view in film] for film in films.views]

    assert readings(1) == readings(2)


@pytest.mark.parametrize(
    ("batch", "workers", "sizes"),
    [
        (16, 1, [3]),
        (2, 1, [2, 1]),
        (16, 2, [2, 1]),
        (16, 9, [1, 1, 1]),
        (1, 2, [1, 1, 1]),
    ],
)
def test_workers_get_equal_parts_of_the_films(batch: int, workers: int, sizes: list[int]) -> None:
    groups = split_into_groups(STORIES, ADAPTIVE, replace(CONDUCT, batch=batch, workers=workers))
    assert [len(group.films) for group in groups] == sizes
    assert [film for group in groups for film in group.films] == list(STORIES.films)
    assert [group.start for group in groups] == [sum(sizes[:place]) for place in range(len(sizes))]
