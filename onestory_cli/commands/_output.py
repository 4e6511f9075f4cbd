"""Results that are files: whole under their name, or not there at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.utils.atomic import write_atomic


def write_result(file: Path, data: bytes) -> None:
    """Put `data` at `file`, in place of what is there.

    Raises:
        OnestoryError: U608 where the system refuses.
    """
    refuse_folder(file)
    try:
        write_atomic(file, data)
    except OSError as fault:
        raise _unwritten(file, fault.strerror) from fault


def refuse_folder(file: Path) -> None:
    """Refuse a place that is a folder: "." and "", which have no name to write under, are folders too.

    Raises:
        OnestoryError: U608.
    """
    if os.path.isdir(file) and not file.is_symlink():  # a link is replaced, wherever it leads
        raise _unwritten(file, os.strerror(errno.EISDIR))


def _unwritten(file: Path, why: str | None) -> OnestoryError:
    return OnestoryError(
        "U608",
        f'"{file}" cannot be written: {why}',
        help="name another place, in a folder that is there",
        exit=ExitCode.MACHINE,
    )
