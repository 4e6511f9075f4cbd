"""Worker processes that curate videos. They end with the block, or when the parent process dies."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Protocol

from onestory_cli.curation.video_curator import CuratorConfig, VideoCurator
from onestory_cli.curation.video_stages import CuratedVideo, damaged_video
from onestory_cli.utils.workers import WorkerShare, follow_parent, own_device, split_threads

DIED = "the process that read it died"

_curator: list[VideoCurator] = []  # of this worker process


class CurationPool(Protocol):
    """Workers that curate one video at a time each."""

    def submit(self, path: Path, digest: str) -> Callable[[], CuratedVideo]:
        """Queue a video; the function that is returned waits for its result."""


@dataclass
class _Ticket:
    path: Path
    digest: str
    future: Future[CuratedVideo]


class WorkerProcesses:
    """A CurationPool of processes, each with its own GPU if there are enough."""

    def __init__(self, config: CuratorConfig, workers: int) -> None:
        self._config, self._workers, self._started = config, workers, 0
        self._pending: list[_Ticket] = []
        self._start(workers)

    def submit(self, path: Path, digest: str) -> Callable[[], CuratedVideo]:
        ticket = _Ticket(path, digest, Future())
        self._pending.append(ticket)
        self._queue(ticket)
        return lambda: self._result(ticket)

    def close(self) -> None:
        """Stop the workers immediately; finished results are on disk."""
        self._alive.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _start(self, workers: int) -> None:
        context = get_context("spawn")
        shares: SimpleQueue[WorkerShare] = context.SimpleQueue()
        for place in range(workers):
            shares.put(WorkerShare(device=self._config.device, share=workers, place=place))
        theirs, self._alive = context.Pipe(duplex=False)
        self._started += 1
        name = f"{os.getpid()}-{self._started}"
        self._pool = ProcessPoolExecutor(
            workers, mp_context=context, initializer=_start_worker, initargs=(self._config, shares, theirs, name)
        )

    def _queue(self, ticket: _Ticket) -> None:
        try:
            ticket.future = self._pool.submit(_curate, ticket.path, ticket.digest)
        except BrokenProcessPool as fault:  # another video broke it
            ticket.future = Future()
            ticket.future.set_exception(fault)

    def _result(self, ticket: _Ticket) -> CuratedVideo:
        try:
            video = ticket.future.result()
        except BrokenProcessPool:
            video = self._alone(ticket)
        self._pending.remove(ticket)
        return video

    def _alone(self, ticket: _Ticket) -> CuratedVideo:
        """Curate a video again in a single worker, to tell whether it was the one that killed a worker."""
        self.close()
        self._start(1)
        self._queue(ticket)
        try:
            video = ticket.future.result()
        except BrokenProcessPool:
            video = damaged_video(ticket.path, ticket.digest, DIED)
        self.close()
        self._start(self._workers)
        for other in self._pending:
            if other is not ticket and (not other.future.done() or other.future.exception()):
                self._queue(other)
        return video


def _start_worker(config: CuratorConfig, shares: SimpleQueue[WorkerShare], alive: Connection, name: str) -> None:
    follow_parent(alive)
    share = shares.get()
    if config.recipe.uses_networks:
        split_threads(share)
        config = replace(config, device=own_device(share))
    _curator.append(VideoCurator(config, worker=f"{name}-{share.place}"))


def _curate(path: Path, digest: str) -> CuratedVideo:
    return _curator[0].curate(path, digest)


@contextmanager
def local_pool(config: CuratorConfig, workers: int) -> Iterator[CurationPool]:
    """Pool of `workers` processes on this machine."""
    pool = WorkerProcesses(config, workers)
    try:
        yield pool
    finally:
        pool.close()
