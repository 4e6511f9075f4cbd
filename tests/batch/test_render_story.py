"""Rendering one film from its directory; a worker keeps its model between films."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from onestory_cli.batch.films import prepare
from onestory_cli.batch.render_story import ModelCache, WorkerConfig, render_story
from onestory_cli.batch.slurm_workers import SlurmJob
from onestory_cli.events import Event, ModelLoading
from tests.batch.conftest import PlanFilms

WORK = WorkerConfig(device="cpu", threads=1)


@pytest.mark.slow
def test_the_model_is_kept_until_a_film_needs_another(plan_films: PlanFilms) -> None:
    heard, models = list[Event](), ModelCache(WORK)
    plans = plan_films(3)
    for item in plans:
        prepare(item.film, item.plan)
        assert render_story(item.film.run, models, heard.append).state == "done"
    assert sum(isinstance(event, ModelLoading) for event in heard) == 1
    maker = models.loader(plans[0].plan, heard.append)()
    assert models.loader(plans[1].plan, heard.append)() is maker
    other = replace(plans[0].plan, model=replace(plans[0].plan.model, name="another"))
    assert models.loader(other, heard.append)() is not maker


def test_an_error_of_a_film_is_its_outcome(plan_films: PlanFilms, tmp_path: Path) -> None:
    outcome = render_story(tmp_path / "nowhere", ModelCache(WORK))
    assert (outcome.state, outcome.code[:1], outcome.rendered) == ("failed", "R", 0)
    (item,) = plan_films(1)
    prepare(item.film, item.plan)
    assert render_story(item.film.run, ModelCache(WORK), stop=lambda: True).state == "stopped"


def test_a_job_is_pickled_without_weights(plan_films: PlanFilms) -> None:
    (item,) = plan_films(1)
    job = SlurmJob(directory=item.film.run, work=WORK, stop=item.film.run / "stop", batch="this")
    assert len(pickle.dumps(job)) < 2000
