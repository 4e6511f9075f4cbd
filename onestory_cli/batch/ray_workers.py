"""Worker pool of Ray actors, each with a GPU or some CPUs. All nodes must see `--out` at the same path.

This module, not Ray, replaces an actor that dies: its film then goes to any ready worker at once instead of waiting for
a node that may not return.
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

from onestory_cli.batch.dispatch import Emitted, Ended, Lost, Message, Ready, WorkerPool
from onestory_cli.batch.event_log import EventLog
from onestory_cli.batch.films import BatchFilm
from onestory_cli.batch.remote_worker import RemoteWorker, missing_package, no_worker_error, stop_file
from onestory_cli.batch.render_story import WorkerConfig
from onestory_cli.store.layout import LOCK
from onestory_cli.store.lock import remove_stale_lock

LOCAL = "local"  # address of a cluster on this machine that lasts as long as the batch


def connect(address: str) -> None:
    """Connect to the cluster at `address`, unless this process is connected.

    Raises:
        OnestoryError: M514 without Ray, B804 if the cluster cannot be reached.
    """
    with _keep_signal_handler():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as fault:
            raise missing_package("ray", "--ray") from fault
        if ray.is_initialized():
            return
        options = {"include_dashboard": False} if address == LOCAL else {}
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **options)
        except (ConnectionError, ValueError, RuntimeError) as fault:
            raise no_worker_error(f"Ray at {address}: {fault}") from fault


@contextmanager
def _keep_signal_handler() -> Iterator[None]:
    """Restore our SIGTERM handler: importing Ray installs one that exits."""
    ours = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, ours)


def count_workers(work: WorkerConfig) -> int:
    """Count the workers that fit: one per GPU, or CPUs / threads without GPUs."""
    import ray

    has: dict[str, float] = ray.cluster_resources()
    gpus = has.get("GPU", 0) if work.device in ("auto", "cuda") else 0
    return max(1, int(gpus or has.get("CPU", 0) // (work.threads or 1)))


@dataclass(kw_only=True)
class _RayWorker:
    handle: Any
    identity: tuple[int, str] = (0, "")
    film: BatchFilm | None = None
    log: EventLog | None = None


class RayPool:
    """A WorkerPool of Ray actors."""

    def __init__(self, work: WorkerConfig, workers: int, stop: Path) -> None:
        import ray

        self._ray, self._stop = ray, stop
        needs = {"num_gpus": 1} if _has_gpus(ray, work) else {"num_cpus": work.threads or 1}
        remote = ray.remote(max_restarts=0, **needs)(RemoteWorker)
        alone = replace(work, share=1, place=0)  # Ray exposes only the GPU of the actor
        self._new = lambda: remote.remote(alone)
        self._names = count(1)
        self._actors: dict[str, _RayWorker] = {}
        self._awaited: dict[Any, str] = {}  # pending answer -> name of the actor
        self._lost: set[str] = set()  # names of films whose worker died
        for _ in range(workers):
            self._start()

    def poll(self, seconds: float) -> Iterator[Message]:
        done = []
        if self._awaited:
            done, _ = self._ray.wait(list(self._awaited), num_returns=1, timeout=seconds)
        else:
            time.sleep(seconds)
        for name, actor in self._actors.items():
            yield from _new_events(name, actor)
        for answer in done:
            yield from self._receive(self._awaited.pop(answer), answer)

    def submit(self, worker: str, film: BatchFilm) -> None:
        actor = self._actors[worker]
        actor.film, actor.log = film, EventLog(film.run)
        answer = actor.handle.render.remote(film.run.absolute(), self._stop, again=film.name in self._lost)
        self._awaited[answer] = worker

    def stop(self) -> None:
        self._stop.touch()

    def close(self) -> None:
        """Kill all actors."""
        for actor in self._actors.values():
            self._ray.kill(actor.handle)

    def _start(self) -> None:
        name, handle = str(next(self._names)), self._new()
        self._actors[name] = _RayWorker(handle=handle)
        self._awaited[handle.identity.remote()] = name

    def _receive(self, name: str, answer: Any) -> Iterator[Message]:
        actor = self._actors[name]
        try:
            value = self._ray.get(answer)
        except self._ray.exceptions.RayError as fault:
            self._replace_worker(self._actors.pop(name))
            yield Lost(worker=name, why=type(fault).__name__)
            return
        if actor.film is None:
            actor.identity = value
            yield Ready(worker=name)
        else:
            yield from _new_events(name, actor)
            actor.film = actor.log = None
            yield Ended(worker=name, outcome=value)

    def _replace_worker(self, actor: _RayWorker) -> None:
        with suppress(Exception):  # usually dead
            self._ray.kill(actor.handle)
        if actor.film:
            self._lost.add(actor.film.name)
            pid, host = actor.identity
            remove_stale_lock(actor.film.run / LOCK, pid=pid, host=host)
        if not self._stop.exists():
            self._start()


def _new_events(name: str, actor: _RayWorker) -> Iterator[Emitted]:
    for event in actor.log.new() if actor.log else ():
        yield Emitted(worker=name, event=event)


def _has_gpus(ray: Any, work: WorkerConfig) -> bool:
    return work.device in ("auto", "cuda") and ray.cluster_resources().get("GPU", 0) > 0


@contextmanager
def on_ray(address: str, work: WorkerConfig, workers: int, out: Path) -> Iterator[WorkerPool]:
    """Pool of `workers` actors. A local cluster ends with this process."""
    connect(address)
    # Ray prints warnings about lost workers to stdout, which must hold only the result
    with stop_file(out) as stop, open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        pool = RayPool(work, workers, stop)
        try:
            yield pool
        finally:
            pool.close()
