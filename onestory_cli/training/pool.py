"""Work ahead in a pool, by a few items only. No torch here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(pool: Executor, job: Callable[[Item], Result], items: Iterable[Item], count: int) -> Iterator[Result]:
    """Yield `job(item)` in order; the pool works at most `count` items ahead. `Executor.map` submits all at once."""
    pending: deque[Future[Result]] = deque()
    for item in items:
        pending.append(pool.submit(job, item))
        if len(pending) > count:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
