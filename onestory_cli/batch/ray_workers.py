"""Workers on a Ray cluster: actors, each with a GPU or a share of the CPUs. All nodes see `--out` at the same path.

An actor that is lost, with its node or alone, is replaced here and not by Ray: its film then goes to whoever is ready,
and nobody waits for a node that does not come back.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from onestory_cli.batch.dispatch import Crew, Ended, Lost, Message, Ready, Said
from onestory_cli.batch.event_log import Log
from onestory_cli.batch.films import Film
from onestory_cli.batch.remote_worker import Away, no_workers, not_installed, stop_file
from onestory_cli.batch.render_story import Work
from onestory_cli.store.layout import LOCK
from onestory_cli.store.lock import remove_stale_lock

LOCAL = "local"  # an address: a cluster of this machine alone, for the length of the batch


def connect(address: str) -> None:
    """Be a driver of the cluster at `address`, unless this process is one already.

    Raises:
        OnestoryError: M514 without Ray, B804 for a cluster that cannot be reached.
    """
    with _our_signals():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as fault:
            raise not_installed("ray", "--ray") from fault
        if ray.is_initialized():
            return
        options = {"include_dashboard": False} if address == LOCAL else {}
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **options)
        except (ConnectionError, ValueError, RuntimeError) as fault:
            raise no_workers(f"Ray at {address}: {fault}") from fault


@contextmanager
def _our_signals() -> Iterator[None]:
    """Ray ends its drivers at SIGTERM, from its import on; here a signal asks."""
    ours = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, ours)


def workers_of(work: Work) -> int:
    """How many workers the cluster has room for: one per GPU, or else by the CPUs that each is given."""
    import ray

    has: dict[str, float] = ray.cluster_resources()
    gpus = has.get("GPU", 0) if work.device in ("auto", "cuda") else 0
    return max(1, int(gpus or has.get("CPU", 0) // (work.threads or 1)))


@dataclass(kw_only=True)
class _Actor:
    handle: Any
    who: tuple[int, str] = (0, "")
    film: Film | None = None
    log: Log | None = None


class Actors:
    """A Crew of Ray actors."""

    def __init__(self, work: Work, workers: int, stop: Path) -> None:
        import ray

        self._ray, self._stop = ray, stop
        needs = {"num_gpus": 1} if _has_gpus(ray, work) else {"num_cpus": work.threads or 1}
        remote = ray.remote(max_restarts=0, **needs)(Away)
        alone = replace(work, share=1, place=0)  # Ray shows it the one GPU that it has
        self._new = lambda: remote.remote(alone)
        self._names = count(1)
        self._actors: dict[str, _Actor] = {}
        self._awaited: dict[Any, str] = {}  # what an actor is to answer -> its name
        self._lost: set[str] = set()  # films that lost a worker
        for _ in range(workers):
            self._start()

    def hear(self, seconds: float) -> Iterator[Message]:
        done = []
        if self._awaited:
            done, _ = self._ray.wait(list(self._awaited), num_returns=1, timeout=seconds)
        else:
            time.sleep(seconds)
        for name, actor in self._actors.items():
            yield from _said(name, actor)
        for answer in done:
            yield from self._answered(self._awaited.pop(answer), answer)

    def give(self, worker: str, film: Film) -> None:
        actor = self._actors[worker]
        actor.film, actor.log = film, Log(film.run)
        answer = actor.handle.render.remote(film.run.absolute(), self._stop, again=film.name in self._lost)
        self._awaited[answer] = worker

    def stop(self) -> None:
        self._stop.touch()

    def close(self) -> None:
        """End all actors, whatever they are at."""
        for actor in self._actors.values():
            self._ray.kill(actor.handle)

    def _start(self) -> None:
        name, handle = str(next(self._names)), self._new()
        self._actors[name] = _Actor(handle=handle)
        self._awaited[handle.who.remote()] = name

    def _answered(self, name: str, answer: Any) -> Iterator[Message]:
        actor = self._actors[name]
        try:
            value = self._ray.get(answer)
        except self._ray.exceptions.RayError as fault:
            self._bury(self._actors.pop(name))
            yield Lost(worker=name, why=type(fault).__name__)
            return
        if actor.film is None:
            actor.who = value
            yield Ready(worker=name)
        else:
            yield from _said(name, actor)
            actor.film = actor.log = None
            yield Ended(worker=name, outcome=value)

    def _bury(self, actor: _Actor) -> None:
        with suppress(Exception):  # it is gone in most cases
            self._ray.kill(actor.handle)
        if actor.film:
            self._lost.add(actor.film.name)
            pid, host = actor.who
            remove_stale_lock(actor.film.run / LOCK, pid=pid, host=host)
        if not self._stop.exists():
            self._start()


def _said(name: str, actor: _Actor) -> Iterator[Said]:
    for event in actor.log.new() if actor.log else ():
        yield Said(worker=name, event=event)


def _has_gpus(ray: Any, work: Work) -> bool:
    return work.device in ("auto", "cuda") and ray.cluster_resources().get("GPU", 0) > 0


@contextmanager
def on_ray(address: str, work: Work, workers: int, out: Path) -> Iterator[Crew]:
    """A crew of so many actors. A cluster that was begun for this process ends with it."""
    connect(address)
    # Ray prints on stdout what it thinks of workers and nodes that were lost; a result is all that belongs there
    with stop_file(out) as stop, open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        crew = Actors(work, workers, stop)
        try:
            yield crew
        finally:
            crew.close()
