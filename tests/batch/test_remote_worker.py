"""A remote worker stops at a stop file, and can start while its predecessor is still exiting."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from onestory_cli.batch.films import prepare
from onestory_cli.batch.remote_worker import STOP, RemoteWorker, stop_file
from onestory_cli.batch.render_story import WorkerConfig
from onestory_cli.store.run import Run
from onestory_cli.store.writer import lock_run
from tests.batch.conftest import PlanFilms
from tests.batch.films import alone, latents

WORK = WorkerConfig(device="cpu", threads=1)


@pytest.mark.slow
def test_only_a_film_of_a_dead_worker_waits_for_its_lock(plan_films: PlanFilms, tmp_path: Path) -> None:
    (item,) = plan_films(1)
    prepare(item.film, item.plan)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with lock_run(Run.open(item.film.run)):
            held.set()
            release.wait()

    dying = threading.Thread(target=hold)
    dying.start()
    held.wait()
    refused = RemoteWorker(WORK).render(item.film.run, tmp_path / STOP)
    threading.Timer(0.5, release.set).start()
    waited = RemoteWorker(WORK).render(item.film.run, tmp_path / STOP, again=True)
    dying.join()
    assert (refused.state, refused.code) == ("failed", "R401")
    assert waited.state == "done"
    assert [latents(item.film.run)] == alone(plan_films(1, out="alone"))


def test_a_stale_stop_file_is_removed(tmp_path: Path) -> None:
    (tmp_path / STOP).touch()
    with stop_file(tmp_path) as stop:
        assert not stop.exists()
        stop.touch()
    assert not stop.exists()
