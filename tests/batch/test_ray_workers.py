"""Workers on a local Ray cluster of two nodes, and how they stop. test_failures.py covers failures.

Skipped without onestory[ray].
"""

from __future__ import annotations

import pytest

from onestory_cli.batch.ray_workers import count_workers, on_ray
from onestory_cli.batch.render_story import WorkerConfig
from onestory_cli.batch.run_batch import Backend, run_batch
from onestory_cli.events import Event, FilmTold
from tests.batch.conftest import PlanFilms
from tests.batch.films import alone, latents
from tests.batch.nodes import two_nodes

pytest.importorskip("ray", reason="Ray is not installed: pip install 'onestory[ray]'")
pytestmark = [pytest.mark.ray, pytest.mark.slow]
WORK = WorkerConfig(device="cpu", threads=1, checkpoint_seconds=0)


def test_a_stopped_ray_batch_resumes(plan_films: PlanFilms) -> None:
    plans, started = plan_films(2, steps=40), list[Event]()
    out = plans[0].film.run.parent

    def emit(event: Event) -> None:
        if isinstance(event, FilmTold) and event.kind == "PartialKept":
            started.append(event)

    with two_nodes() as nodes:
        assert count_workers(WORK) == 2
        backend = Backend(where="ray", workers=1, open_pool=lambda: on_ray(nodes.address, WORK, 1, out))
        stopped = run_batch(plans, out, backend, emit, stop=lambda: bool(started))
        assert not (out / ".stop").exists()
        done = run_batch(plans, out, backend)
    assert [row.outcome.state for row in stopped.rows] == ["stopped", "left"]
    assert [row.outcome.state for row in done.rows] == ["done", "done"]
    assert [latents(item.film.run) for item in plans] == alone(plan_films(2, out="alone", steps=40))
