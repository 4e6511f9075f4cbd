"""Run tasks in the background, one after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

T = TypeVar("T")


class BackgroundQueue:
    """Runs tasks one after another in a thread of its own. After one that failed no other is started.

    The callback of a task is called with its result in the caller's thread, in order, from within `poll` or `wait`.
    These also raise what a task raised. Leaving the `with` block waits for all tasks; a KeyboardInterrupt during that
    wait cancels those that have not started.
    """

    def __init__(self) -> None:
        self._thread = futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")
        self._tasks: deque[tuple[futures.Future[Any], Callable[[Any], object]]] = deque()
        self._closed = False

    def __enter__(self) -> BackgroundQueue:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._thread.shutdown()
        except KeyboardInterrupt:
            self._closed = True
            self._thread.shutdown()
            raise

    def add(self, task: Callable[[], T], callback: Callable[[T], object]) -> None:
        """Run a task after all that were added before."""
        self._tasks.append((self._thread.submit(self._run, task), callback))

    def poll(self) -> None:
        """Call the callbacks of all finished tasks, without waiting."""
        while self._tasks and self._tasks[0][0].done():
            self._finish_next()

    def wait(self) -> None:
        """Wait for all tasks and call their callbacks."""
        while self._tasks:
            self._finish_next()

    def _finish_next(self) -> None:
        task, callback = self._tasks[0]
        futures.wait([task])  # a KeyboardInterrupt here leaves the task in the queue
        self._tasks.popleft()
        if task.exception():
            self._tasks.clear()
        callback(task.result())

    def _run(self, task: Callable[[], T]) -> T:
        if self._closed:
            raise futures.CancelledError
        try:
            return task()
        except BaseException:
            self._closed = True
            raise
