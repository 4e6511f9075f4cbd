"""Work beside the caller's: one piece after another, in the order of the asking, in one thread of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

T = TypeVar("T")


class BackgroundQueue:
    """Does pieces of work while its caller goes on. After one that failed none is begun.

    `then` of a piece is called with its result, in the caller's thread and order, from within `poll` or `wait`; what a
    piece raised comes out there too. Leaving the block waits for what was added; a KeyboardInterrupt meanwhile leaves
    it with no piece begun any more.
    """

    def __init__(self) -> None:
        self._thread = futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="behind")
        self._pieces: deque[tuple[futures.Future[Any], Callable[[Any], object]]] = deque()
        self._over = False

    def __enter__(self) -> BackgroundQueue:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._thread.shutdown()
        except KeyboardInterrupt:
            self._over = True
            self._thread.shutdown()
            raise

    def add(self, work: Callable[[], T], then: Callable[[T], object]) -> None:
        """Have a piece done after all that were added before it."""
        self._pieces.append((self._thread.submit(self._do, work), then))

    def poll(self) -> None:
        """Hear of all that is done by now, without waiting."""
        while self._pieces and self._pieces[0][0].done():
            self._hear()

    def wait(self) -> None:
        """Wait until all is done, and hear of it."""
        while self._pieces:
            self._hear()

    def _hear(self) -> None:
        piece, then = self._pieces[0]
        futures.wait([piece])  # a KeyboardInterrupt here leaves the piece where it is
        self._pieces.popleft()
        if piece.exception():
            self._pieces.clear()
        then(piece.result())

    def _do(self, work: Callable[[], T]) -> T:
        if self._over:
            raise futures.CancelledError
        try:
            return work()
        except BaseException:
            self._over = True
            raise
