"""Ctrl-C and SIGTERM during a render: the first signal stops after the current step, the second one at once."""

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
    """A context in which `asked()` is true after the first signal. `notice` is called once, when it arrives."""

    def __init__(self, notice: Callable[[], None]) -> None:
        self._notice = notice
        self._first: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def asked(self) -> bool:
        """Whether the work should stop at the next point where it can be resumed."""
        return self._first is not None

    @property
    def exit(self) -> ExitCode:
        """The exit code of stopped work."""
        return ExitCode.TERMINATED if self._first == signal.SIGTERM else ExitCode.INTERRUPTED

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():  # only the main thread may set handlers
            handled = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # not with nohup
            self._before = {number: signal.signal(number, self._handle) for number in handled}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked():
            raise KeyboardInterrupt
        self._first = number
        with suppress(RuntimeError):  # the signal interrupted a write to the same stream
            self._notice()
