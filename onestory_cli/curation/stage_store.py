"""Results of a stage on disk: JSON lines in 256 shards, appended and synced one by one. No torch here.

A line is {"key": KEY, "value": ...}; the key is a digest of everything that the value is a function of. A line that a
kill cut short is dropped when the shard is opened again. Of two lines with one key the later one counts.

The owner of the set writes the shards. Each of its workers appends to one file of its own, which the owner moves into
the shards when it opens or closes the store.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from onestory_cli.utils.untrusted import open_regular

_HEAD = len('{"key": "')


def stage_key(*parts: Any) -> str:
    """Return the digest (64 hex digits) of JSON-serializable parts."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class ResultStore(Protocol):
    """Results of a stage by key."""

    def get(self, key: str) -> Any | None:
        """Return the value of a key, or None where there is none."""

    def put(self, key: str, value: Any) -> None:
        """Keep a value."""


class StageStore:
    """Key -> value of one stage. Memory holds one position for each result, never the results.

    `worker`: a name that is unique among all workers of the set, past ones included; "" for the owner. A set has one
    owner at a time.
    """

    def __init__(self, folder: Path, *, worker: str = "") -> None:
        self._folder, self._worker = folder, worker
        self._files: dict[str, BinaryIO] = {}
        self._positions: dict[str, int] = {}
        self._written: set[str] = set()  # keys in the file of this worker
        folder.mkdir(parents=True, exist_ok=True)
        for shard in sorted(folder.glob("??.jsonl")):
            self._index(shard)
        self._take_over()

    def __contains__(self, key: str) -> bool:
        return key in self._positions

    def __len__(self) -> int:
        return len(self._positions)

    def get(self, key: str) -> Any | None:
        """Return the value of a key, or None where there is none."""
        if key not in self._positions:
            return None
        with self._path(key).open("rb") as file:
            file.seek(self._positions[key])
            return json.loads(file.readline())["value"]

    def put(self, key: str, value: Any) -> None:
        """Append a value and sync it to the disk."""
        line = json.dumps({"key": key, "value": value}, ensure_ascii=False).encode("utf-8") + b"\n"
        os.fsync(self._append(key, line))

    def close(self) -> None:
        """Close the files; the owner takes over what its workers wrote."""
        self._take_over()
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _append(self, key: str, line: bytes) -> int:
        """Write a line without syncing it; return the descriptor of its file."""
        path = self._own(key)
        if path.name not in self._files:
            self._files[path.name] = path.open("ab")
        file = self._files[path.name]
        self._positions[key] = file.seek(0, os.SEEK_END)
        if self._worker:
            self._written.add(key)
        file.write(line)
        file.flush()
        return file.fileno()

    def _own(self, key: str) -> Path:
        """The file that this process appends to."""
        return self._folder / (f"worker-{self._worker}.jsonl" if self._worker else f"{key[:2]}.jsonl")

    def _path(self, key: str) -> Path:
        return self._own(key) if key in self._written else self._folder / f"{key[:2]}.jsonl"

    def _take_over(self) -> None:
        """Move the lines of workers into the shards. A kill in between leaves lines that are moved again."""
        if self._worker:
            return
        for path in sorted(self._folder.glob("worker-*.jsonl")):
            with open_regular(path) as file:
                written = {self._append(_key_of(line), line) for line in file if line.endswith(b"\n")}
            for descriptor in written:
                os.fsync(descriptor)
            path.unlink()

    def _index(self, shard: Path) -> None:
        """Note where each whole line begins; the owner cuts off what a kill left of the last one."""
        position = 0
        with open_regular(shard) as file:
            for line in file:
                if not line.endswith(b"\n"):
                    if not self._worker:
                        os.truncate(shard, position)
                    return
                self._positions[_key_of(line)] = position
                position += len(line)


def _key_of(line: bytes) -> str:
    return line[_HEAD : _HEAD + 64].decode("ascii", "replace")


class NotStored(Exception):
    """A result is missing from a read-only store."""


class StoredResults:
    """A read-only view of a store; a missing result raises an error."""

    def __init__(self, store: StageStore) -> None:
        self._store = store

    def get(self, key: str) -> Any:
        """Return the value of a key.

        Raises:
            NotStored: there is none.
        """
        if key not in self._store:
            raise NotStored(key)
        return self._store.get(key)

    def put(self, key: str, value: Any) -> None:
        """Refuse to write.

        Raises:
            NotStored: always.
        """
        raise NotStored(key)
