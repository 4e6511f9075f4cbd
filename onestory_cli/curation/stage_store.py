"""Results of a stage on disk: JSON lines in 256 shards, appended and synced one by one. No torch here.

A line is {"key": KEY, "value": ...}; the key is a digest of everything that the value is a function of. A line that a
kill cut short is dropped when the shard is opened again. Of two lines with one key the later one counts.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from onestory_cli.utils.untrusted import open_regular

_HEAD = len('{"key": "')


def stage_key(*parts: Any) -> str:
    """Return the digest (64 hex digits) of JSON-serializable parts."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class StageStore:
    """Key -> value of one stage. Memory holds one position for each result, never the results. One writer at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}
        self._positions: dict[str, int] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for shard in sorted(folder.glob("*.jsonl")):
            self._index(shard)

    def __contains__(self, key: str) -> bool:
        return key in self._positions

    def __len__(self) -> int:
        return len(self._positions)

    def get(self, key: str) -> Any | None:
        """Return the value of a key, or None where there is none."""
        if key not in self._positions:
            return None
        with self._shard(key).open("rb") as file:
            file.seek(self._positions[key])
            return json.loads(file.readline())["value"]

    def put(self, key: str, value: Any) -> None:
        """Append a value and sync it to the disk."""
        name = key[:2]
        if name not in self._files:
            self._files[name] = self._shard(key).open("ab")
        file = self._files[name]
        position = file.seek(0, os.SEEK_END)
        file.write(json.dumps({"key": key, "value": value}, ensure_ascii=False).encode("utf-8") + b"\n")
        file.flush()
        os.fsync(file.fileno())
        self._positions[key] = position

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _shard(self, key: str) -> Path:
        return self._folder / f"{key[:2]}.jsonl"

    def _index(self, shard: Path) -> None:
        """Note where each whole line begins; cut off what a kill left of the last one."""
        position = 0
        with open_regular(shard) as file:
            for line in file:
                if not line.endswith(b"\n"):
                    os.truncate(shard, position)
                    return
                self._positions[line[_HEAD : _HEAD + 64].decode("ascii", "replace")] = position
                position += len(line)
