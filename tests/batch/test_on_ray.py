"""A Ray cluster of two nodes in this machine: a worker is killed, a node is removed, and no film and no byte is lost.

Needs onestory[ray]; elsewhere it is skipped and says so.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from onestory_cli.batch.on_ray import on_ray, workers_of
from onestory_cli.batch.render_story import Work
from onestory_cli.batch.run import Hands, run_batch
from onestory_cli.events import Event, FilmTold, WorkerLost
from tests.batch.conftest import Tell, alone, latents

ray: Any = pytest.importorskip("ray", reason="Ray is not installed: pip install 'onestory[ray]'")
cluster_utils: Any = pytest.importorskip("ray.cluster_utils")
pytestmark = [pytest.mark.ray, pytest.mark.slow]
WORK = Work(device="cpu", threads=1, checkpoint_seconds=0)


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head without CPUs, and two nodes with one each: a worker per node."""
    made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.nodes = [made.add_node(num_cpus=1), made.add_node(num_cpus=1)]
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


class Saboteur:
    """Kills the first worker amid its film; when that film goes on, removes the node of the other worker."""

    def __init__(self, cluster: Any, crews: list[Any]) -> None:
        self._cluster, self._crews, self._did = cluster, crews, list[str]()
        self.lost: list[WorkerLost] = []

    def __call__(self, event: Event) -> None:
        self.lost.extend([event] if isinstance(event, WorkerLost) else [])
        if isinstance(event, FilmTold) and event.kind in ("PartialKept", "TakeCommitted"):
            actors = self._crews[0]._actors
            busy = [actor for actor in actors.values() if actor.film]
            if not self._did:
                os.kill(busy[0].who[0], signal.SIGKILL)
                self._did.append("killed")
            elif self._did == ["killed"] and self.lost:
                self._cluster.remove_node(self._cluster.nodes[0])
                self._did.append("removed")


def test_a_killed_worker_and_a_removed_node_cost_no_film_and_no_byte(tell: Tell, cluster: Any) -> None:
    plans, crews = tell(4, steps=6), list[Any]()
    out = plans[0].film.run.parent
    assert workers_of(WORK) == 2

    @contextmanager
    def hire() -> Iterator[Any]:
        with on_ray(cluster.address, WORK, 2, out) as crew:
            crews.append(crew)
            yield crew

    saboteur = Saboteur(cluster, crews)
    result = run_batch(plans, out, Hands(where="ray", workers=2, hire=hire), saboteur)
    assert result.states == {"done": 4}
    assert saboteur._did == ["killed", "removed"]
    assert [event.film for event in saboteur.lost if event.film]
    assert max(row.outcome.attempts for row in result.rows) >= 2
    assert [latents(item.film.run) for item in plans] == alone(tell(4, out="alone", steps=6))
    assert not (out / ".stop").exists()


def test_a_stop_reaches_the_actors(tell: Tell, cluster: Any) -> None:
    plans, started = tell(2, steps=40), list[Event]()
    out = plans[0].film.run.parent

    def emit(event: Event) -> None:
        if isinstance(event, FilmTold) and event.kind == "PartialKept":
            started.append(event)

    hands = Hands(where="ray", workers=1, hire=lambda: on_ray(cluster.address, WORK, 1, out))
    result = run_batch(plans, out, hands, emit, stop=lambda: bool(started))
    assert [row.outcome.state for row in result.rows] == ["stopped", "left"]
