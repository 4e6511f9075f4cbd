"""Digests of large files, kept between runs."""

from __future__ import annotations

import json
from pathlib import Path

from onestory_cli.utils.atomic import write_atomic
from onestory_cli.utils.untrusted import file_sha256, read_json

MAX_CACHE_BYTES = 64 * 2**20


class DigestCache:
    """SHA-256 of files; a file whose size and time did not change is not read again. Saved as JSON in `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            stored = read_json(path, limit=MAX_CACHE_BYTES)
        except (OSError, ValueError):
            stored = {}
        self._known: dict[str, list[object]] = stored if isinstance(stored, dict) else {}
        self._changed = False

    def digest(self, file: Path) -> str:
        """Return the digest of a file's bytes in hex.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is not a regular file.
        """
        stat = file.stat()
        stamp: list[object] = [stat.st_size, stat.st_mtime_ns]
        entry = self._known.get(str(file.absolute()))
        if not isinstance(entry, list) or entry[:2] != stamp or len(entry) != 3:
            entry = [*stamp, file_sha256(file)[0].hex()]
            self._known[str(file.absolute())] = entry
            self._changed = True
        return str(entry[2])

    def save(self) -> None:
        """Write the cache, if it changed."""
        if not self._changed:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path, json.dumps(self._known).encode())
        self._changed = False
