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
        waiting.unlink(missing_ok=True)  # a link that somebody put there is removed, not followed
        with waiting.open("xb") as stream:
            stream.write(data)
        os.replace(waiting, file)
    except OSError as fault:
        raise OnestoryError(
            "U608",
            f'"{file}" cannot be written: {fault.strerror}',
            help="name another place, in a folder that is there",
            exit=ExitCode.MACHINE,
        ) from fault
