"""Result files: written completely or not at all, and never over a file that onestory did not write."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.export.mark import with_software
from onestory_cli.utils.atomic import write_atomic

# What marks a result of onestory, near the beginning of its file.
PAGE = b'<meta name="generator" content="onestory'
_SOFTWARE = b"onestory"
PICTURE = b"Software\x00" + _SOFTWARE
SUMMARY = b"<!-- onestory summary -->\n"
JUNIT = b"<!-- onestory -->\n"
SCORES = b'"schema": "onestory.'
_READ = 4096


def write_new(path: Path, text: str) -> None:
    """Write `text` to a new file; create its folder.

    Raises:
        OnestoryError: U605 if the file exists, U608 if the system refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as fault:
        help = "choose another name, or delete the file first"
        raise OnestoryError("U605", f'"{fault.filename}" already exists', help=help) from fault
    except OSError as fault:
        raise _unwritten(path, fault.strerror) from fault


def require_writable(file: Path, mark: bytes, *, force: bool) -> None:
    """Check, before any work, that a result may be written to `file`.

    With `force` an earlier result is replaced, which is a regular file that contains `mark`. No other file is.

    Raises:
        OnestoryError: U605 if something else is there, U608 for a folder or a path in no folder.
    """
    if os.path.isdir(file) and not file.is_symlink():
        raise _unwritten(file, os.strerror(errno.EISDIR))
    if not file.absolute().parent.is_dir():
        raise _unwritten(file, os.strerror(errno.ENOENT))
    if not os.path.lexists(file):
        return
    if not _contains(file, mark):
        help = "choose another path; this is not an earlier result of this command, so it is never replaced"
    elif not force:
        help = "pass --force to replace it, or choose another path"
    else:
        return
    raise OnestoryError("U605", f'"{file}" already exists', help=help)


def marked_png(png: bytes) -> bytes:
    """Return a PNG with `PICTURE` in a text chunk."""
    return with_software(png, _SOFTWARE)


def write_result(file: Path, data: bytes) -> None:
    """Put `data` at `file` in one step. Check with `require_writable` first.

    Raises:
        OnestoryError: U608 if the system refuses.
    """
    try:
        write_atomic(file, data)
    except OSError as fault:
        raise _unwritten(file, fault.strerror) from fault


def _contains(file: Path, mark: bytes) -> bool:
    if not stat.S_ISREG(os.lstat(file).st_mode):
        return False
    with file.open("rb") as stream:
        return mark in stream.read(_READ)


def _unwritten(file: Path, why: str | None) -> OnestoryError:
    help = "choose another path, in an existing folder"
    return OnestoryError("U608", f'"{file}" cannot be written: {why}', help=help, exit=ExitCode.MACHINE)
