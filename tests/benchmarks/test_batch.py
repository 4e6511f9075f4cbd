"""The benchmark of batches."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.events import BatchStarted, FilmStarted, PartialKept, ShotStarted
from onestory_cli.store.run import Run
from onestory_cli.store.writer import RunWriter
from tests.benchmarks.batch import Clock, first_step, measure_ray, plans_of


def test_films_have_different_seeds_and_short_shots(tmp_path: Path) -> None:
    plans = plans_of(tmp_path / "stories", tmp_path / "out", films=2, steps=3)
    assert [len(item.plan.jobs) for item in plans] == [6, 6]
    assert {(job.steps, job.frames) for item in plans for job in item.plan.jobs} == {(3, 5)}
    assert plans[0].plan.jobs[0].seed != plans[1].plan.jobs[0].seed
    assert len({item.film.run for item in plans}) == 2


def test_first_step_is_the_first_checkpoint(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "film.run")
    RunWriter(run).log(ShotStarted(shot="opening", index=0, shots=1, reason="new", steps=2))
    clock = Clock()
    clock(BatchStarted(films=1, shots=1, workers=1, where="ray"))
    clock(FilmStarted(film="film", worker="1", shots=1, attempt=1))
    for step in (1, 2):
        RunWriter(run).log(PartialKept(shot="opening", step=step, steps=2))
    assert 0 < clock.began <= clock.films["film"]
    lines = (run.path / "events.jsonl").read_text().splitlines()
    assert f'"time": {first_step(run.path)}' in lines[1]


@pytest.mark.ray
@pytest.mark.slow
def test_ray_benchmark_runs(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'onestory[ray]'")
    try:
        found = measure_ray(tmp_path, films=2, steps=1)
    finally:
        ray.shutdown()
    assert found["films"] == 2
    assert all(isinstance(value, float) and value > 0 for name, value in found.items() if name != "films")
