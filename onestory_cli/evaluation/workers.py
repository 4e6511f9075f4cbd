"""Several processes that make the films of a benchmark, each with a model and a read-out of its own."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.evaluation.readout import Readout, load_readout
from onestory_cli.evaluation.rollouts import FilmGroup, GenerateGroups, SeenFilms, generate_group
from onestory_cli.models.load import LoadedModel, load_model
from onestory_cli.models.spec import ModelSpec
from onestory_cli.utils.workers import WorkerShare, own_device, split_threads

_load: list[Callable[[], tuple[LoadedModel, Readout]]] = []  # what a worker works with


@contextmanager
def worker_pool(spec: ModelSpec, device: str, workers: int) -> Iterator[GenerateGroups]:
    """What makes groups of films in `workers` processes. They are spawned, so that none inherits a GPU's or a
    thread's state, and none outlives the block, or the process that it is in."""
    context = get_context("spawn")
    shares: SimpleQueue[WorkerShare] = context.SimpleQueue()
    for place in range(workers):
        shares.put(WorkerShare(device=device, share=workers, place=place))
    theirs, ours = context.Pipe(duplex=False)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(spec, shares, theirs)) as pool:
        try:
            yield lambda groups: _hear(pool, groups)
        except BaseException:
            ours.close()  # a group takes minutes, and nobody wants it any more
            raise


def _hear(pool: ProcessPoolExecutor, groups: Sequence[FilmGroup]) -> Iterator[SeenFilms]:
    """What is seen in the groups, in their order.

    Raises:
        OnestoryError: U607 when a worker was killed.
    """
    try:
        yield from pool.map(_see, groups)
    except BrokenProcessPool as fault:
        message = "a process that made films was killed, most likely because memory ran out"
        raise OnestoryError("U607", message, help="give fewer --workers", exit=ExitCode.MACHINE) from fault


def _start(spec: ModelSpec, shares: SimpleQueue[WorkerShare], alive: Connection) -> None:
    """A worker's first deed. It ends with whoever hired it, however that ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the first process ends the others
    threading.Thread(target=_leave, args=(alive,), daemon=True).start()
    share = shares.get()
    split_threads(share)
    _load.append(cache(lambda: (load_model(spec, own_device(share)), load_readout())))  # a fault of it is its group's


def _leave(alive: Connection) -> None:
    """End this process once the other end of the pipe is closed, which its owner's death does as well."""
    alive.poll(None)
    os._exit(1)


def _see(group: FilmGroup) -> SeenFilms:
    model, readout = _load[0]()
    return generate_group(model, readout, group)
