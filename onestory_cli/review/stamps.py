"""Stamps of files, to notice a change without reading them."""

from __future__ import annotations

from pathlib import Path

Stamp = tuple[int, int, int]  # inode, size, time of the last change


def stamp(path: Path) -> Stamp | None:
    """The stamp of a file or folder, which changes when it is edited or replaced; None if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
