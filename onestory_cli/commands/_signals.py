"""Ctrl-C and SIGTERM while a film is made: the first one asks, the second one ends the work at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from onestory_cli.errors import ExitCode

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """A context in which `asked()` turns true at the first signal; `notice` is called then, once."""

    def __init__(self, notice: Callable[[], None]) -> None:
        self._notice = notice
        self._first: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def asked(self) -> bool:
        """Whether the work is to stop where nothing is lost."""
        return self._first is not None

    @property
    def exit(self) -> ExitCode:
        """The exit code of work that was stopped."""
        return ExitCode.TERMINATED if self._first == signal.SIGTERM else ExitCode.INTERRUPTED

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():  # others cannot have handlers
            heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
            self._before = {number: signal.signal(number, self._arrived) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self.asked():
            raise KeyboardInterrupt
        self._first = number
        with suppress(RuntimeError):  # it came while the same stream was being written
            self._notice()
