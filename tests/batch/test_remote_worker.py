"""A worker that is told to stop by a file, and that may come while the one before is still dying."""

from __future__ import annotations

import threading
from pathlib import Path

from onestory_cli.batch.films import prepare
from onestory_cli.batch.remote_worker import STOP, Away, stop_file
from onestory_cli.batch.render_story import Work
from onestory_cli.store.run import Run
from onestory_cli.store.writer import lock_run
from tests.batch.conftest import Tell
from tests.batch.films import alone, latents

WORK = Work(device="cpu", threads=1)


def test_a_film_whose_lost_worker_still_holds_it_is_waited_for_and_no_other(tell: Tell, tmp_path: Path) -> None:
    (item,) = tell(1)
    prepare(item.film, item.plan)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with lock_run(Run.open(item.film.run)):
            held.set()
            release.wait()

    dying = threading.Thread(target=hold)
    dying.start()
    held.wait()
    refused = Away(WORK).render(item.film.run, tmp_path / STOP)
    threading.Timer(0.5, release.set).start()
    waited = Away(WORK).render(item.film.run, tmp_path / STOP, again=True)
    dying.join()
    assert (refused.state, refused.code) == ("failed", "R401")
    assert waited.state == "done"
    assert [latents(item.film.run)] == alone(tell(1, out="alone"))


def test_a_file_that_was_left_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / STOP).touch()
    with stop_file(tmp_path) as stop:
        assert not stop.exists()
        stop.touch()
    assert not stop.exists()
