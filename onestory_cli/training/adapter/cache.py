"""Encoded shots and captions on disk: tensors by key, in safetensors shards that are whole or not there.

A key names all that a tensor is a function of, so a cache may serve many trainings, and what is in it is never made
again.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from onestory_cli.training.checkpoint import save_weights

SHARD_BYTES = 64 * 2**20  # what a kill can lose


def key_of(kind: str, *parts: Any) -> str:
    """ "kind/digest" of values that JSON can hold."""
    digest = hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()
    return f"{kind}/{digest[:32]}"


class Shards:
    """A folder of shards. Several processes may write, each under a number of its own; they see each other's shards
    after `refresh`."""

    def __init__(self, folder: Path, *, writer: int = 0, shard_bytes: int = SHARD_BYTES) -> None:
        self.folder, self.writer, self.shard_bytes = folder, writer, shard_bytes
        self._files: dict[str, Any] = {}
        self._where: dict[str, str] = {}
        self._pending: dict[str, Tensor] = {}
        self.refresh()

    def __contains__(self, key: str) -> bool:
        return key in self._where or key in self._pending

    def __getitem__(self, key: str) -> Tensor:
        """The tensor of a key, as it was put.

        Raises:
            KeyError: it was never put.
        """
        if key in self._pending:
            return self._pending[key]
        return self._files[self._where[key]].get_tensor(key)

    def put(self, key: str, value: Tensor) -> None:
        """Keep a tensor; it is on disk once a shard is full, or after `flush`."""
        self._pending[key] = value.detach().contiguous().cpu()
        if sum(item.nbytes for item in self._pending.values()) >= self.shard_bytes:
            self.flush()

    def flush(self) -> None:
        """Write what is pending as a shard of its own."""
        if not self._pending:
            return
        number = 0
        while (path := self.folder / f"{self.writer:03}-{number:06}.safetensors").exists():
            number += 1
        save_weights(path, self._pending)
        self._pending = {}
        self._read(path)

    def refresh(self) -> None:
        """Take note of shards that others have written."""
        for path in sorted(self.folder.glob("*.safetensors")):
            if path.name not in self._files:
                self._read(path)

    def _read(self, path: Path) -> None:
        file = safe_open(path, framework="pt")
        self._files[path.name] = file
        self._where |= dict.fromkeys(file.keys(), path.name)
