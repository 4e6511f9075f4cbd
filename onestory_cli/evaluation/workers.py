"""A pool of processes that generate the films of a benchmark, each with its own model and read-out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.evaluation.eyes import load_benchmark_readout
from onestory_cli.evaluation.readout import Readout
from onestory_cli.evaluation.rollouts import FilmGroup, GenerateGroups, SeenFilms, generate_group
from onestory_cli.models.load import LoadedModel, load_model
from onestory_cli.models.spec import ModelSpec
from onestory_cli.utils.workers import WorkerShare, follow_parent, own_device, split_threads

_load: list[
    Callable[[], tuple[LoadedModel, Readout]]
] = []  # the model and the read-out of this worker, loaded on first use


@contextmanager
def worker_pool(spec: ModelSpec, device: str, workers: int) -> Iterator[GenerateGroups]:
    """Yield a function that generates groups of films in `workers` processes.

    Processes are spawned, so that they do not inherit GPU or thread state. They exit at the end of the block, or when
    the parent process dies.
    """
    context = get_context("spawn")
    shares: SimpleQueue[WorkerShare] = context.SimpleQueue()
    for place in range(workers):
        shares.put(WorkerShare(device=device, share=workers, place=place))
    theirs, ours = context.Pipe(duplex=False)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(spec, shares, theirs)) as pool:
        try:
            yield lambda groups: _view_groups(pool, groups)
        except BaseException:
            ours.close()  # stop the workers: their groups can take minutes, and the results are no longer needed
            raise


def _view_groups(pool: ProcessPoolExecutor, groups: Sequence[FilmGroup]) -> Iterator[SeenFilms]:
    """Yield the views of the groups, in order.

    Raises:
        OnestoryError: U607 if a worker was killed.
    """
    try:
        yield from pool.map(_see, groups)
    except BrokenProcessPool as fault:
        message = "a worker process was killed, probably because memory ran out"
        raise OnestoryError("U607", message, help="use fewer --workers", exit=ExitCode.MACHINE) from fault


def _start(spec: ModelSpec, shares: SimpleQueue[WorkerShare], alive: Connection) -> None:
    """Worker initializer. The worker exits when its parent dies."""
    follow_parent(alive)
    share = shares.get()
    split_threads(share)
    _load.append(
        cache(lambda: (load_model(spec, own_device(share)), load_benchmark_readout()))
    )  # loading errors are raised for the group


def _see(group: FilmGroup) -> SeenFilms:
    model, readout = _load[0]()
    return generate_group(model, readout, group)
