"""The fingerprint of a model folder: what enters a key so that other weights make another film. No torch here."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

SUFFIXES = {".json", ".safetensors", ".txt", ".model"}


@lru_cache(maxsize=8)
def fingerprint(folder: str) -> str:
    """Hex digest (16 digits) over the names and bytes of all configs and weights in `folder`, in order of name."""
    digest = hashlib.sha256()
    root = Path(folder)
    for path in sorted(item for item in root.rglob("*") if item.suffix in SUFFIXES):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
