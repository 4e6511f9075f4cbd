"""Results that are files: whole under their name, or not there at all."""

from __future__ import annotations

import os
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError


def write_result(file: Path, data: bytes) -> None:
    """Put `data` at `file`, in place of what is there.

    Raises:
        OnestoryError: U608 where the system refuses.
    """
    waiting = file.with_name(f".{file.name}.new")
    try:
        waiting.write_bytes(data)
        os.replace(waiting, file)
    except OSError as fault:
        waiting.unlink(missing_ok=True) if waiting.is_file() else None
        raise OnestoryError(
            "U608",
            f'"{file}" cannot be written: {fault.strerror}',
            help="name another place, in a folder that is there",
            exit=ExitCode.MACHINE,
        ) from fault
