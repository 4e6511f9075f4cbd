"""stdout and stderr of the program, which may be closed, on a full disk, or a pipe without a reader."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, NoReturn, TextIO

from onestory_cli.errors import ExitCode, OnestoryError


class ClosedPipe(Exception):
    """The program that read stdout has ended. Not an OSError, because Typer ends the process on EPIPE with code 1."""


class UnwritableOutput(OnestoryError):
    """stdout is closed, or its disk is full."""


class _Stream:
    """A text stream that may be missing: Python sets `sys.stdout` to None if its descriptor is closed."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    @property
    def encoding(self) -> str:
        return self._stream.encoding if self._stream else "utf-8"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class ResultStream(_Stream):
    """stdout. A result that cannot be written is an error, and a closed pipe ends the command silently."""

    def write(self, text: str) -> int:
        if self._stream is None:
            raise _unwritten("it is closed")
        try:
            return self._stream.write(text)
        except (OSError, ValueError) as fault:
            self._fail(fault)

    def flush(self) -> None:
        if self._stream is None:
            return
        try:
            self._stream.flush()
        except (OSError, ValueError) as fault:
            self._fail(fault)

    def _fail(self, fault: OSError | ValueError) -> NoReturn:
        with suppress(OSError, ValueError, AttributeError):  # the interpreter flushes once more when it exits
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())  # type: ignore[union-attr]
        if isinstance(fault, BrokenPipeError):
            raise ClosedPipe from fault
        raise _unwritten(getattr(fault, "strerror", None) or str(fault)) from fault


class ErrorStream(_Stream):
    """stderr. Messages that cannot be written are dropped: a render continues when its log is gone."""

    def write(self, text: str) -> int:
        if self._stream is not None:
            with suppress(OSError, ValueError):
                return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.flush()


def _unwritten(why: str) -> UnwritableOutput:
    help = "redirect stdout to a file or a disk with free space"
    return UnwritableOutput("U608", f"cannot write to stdout: {why}", help=help, exit=ExitCode.MACHINE)
