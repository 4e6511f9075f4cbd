"""A cache of encoded shots and captions: tensors by key, in safetensors shards that are written atomically.

A key covers everything that a tensor depends on, so several trainings can share a cache.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from onestory_cli.training.checkpoint import save_weights

SHARD_BYTES = 64 * 2**20  # a killed process loses at most this much work


def key_of(kind: str, *parts: Any) -> str:
    """ "kind/digest" of values that JSON can hold."""
    digest = hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()
    return f"{kind}/{digest[:32]}"


class Shards:
    """A folder of shards. Several processes can write, each with its own number; `refresh` finds the others' shards."""

    def __init__(self, folder: Path, *, writer: int = 0, shard_bytes: int = SHARD_BYTES) -> None:
        self.folder, self.writer, self.shard_bytes = folder, writer, shard_bytes
        self._files: dict[str, Any] = {}
        self._where: dict[str, str] = {}
        self._pending: dict[str, Tensor] = {}
        self.refresh()

    def __contains__(self, key: str) -> bool:
        return key in self._where or key in self._pending

    def __getitem__(self, key: str) -> Tensor:
        """The tensor stored under a key.

        Raises:
            KeyError: there is no such tensor.
        """
        if key in self._pending:
            return self._pending[key]
        return self._files[self._where[key]].get_tensor(key)

    def put(self, key: str, value: Tensor) -> None:
        """Store a tensor; it is written when a shard is full, or by `flush`."""
        self._pending[key] = value.detach().contiguous().cpu()
        if sum(item.nbytes for item in self._pending.values()) >= self.shard_bytes:
            self.flush()

    def flush(self) -> None:
        """Write all pending tensors as one shard."""
        if not self._pending:
            return
        number = 0
        while (path := self.folder / f"{self.writer:03}-{number:06}.safetensors").exists():
            number += 1
        save_weights(path, self._pending)
        self._pending = {}
        self._read(path)

    def refresh(self) -> None:
        """Find shards that other processes have written."""
        for path in sorted(self.folder.glob("*.safetensors")):
            if path.name not in self._files:
                self._read(path)

    def _read(self, path: Path) -> None:
        file = safe_open(path, framework="pt")
        self._files[path.name] = file
        self._where |= dict.fromkeys(file.keys(), path.name)
