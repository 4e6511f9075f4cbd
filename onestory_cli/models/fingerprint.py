"""The fingerprint of a model: what enters a key so that other weights make another film. No torch here."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from onestory_cli.models.spec import ModelSpec

SUFFIXES = {".json", ".safetensors", ".gguf", ".txt", ".model"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Of a spec, what the bytes of a shot depend on and its key does not hold.
SETTINGS = (
    "task",
    "temporal_stride",
    "spatial_stride",
    "patch",
    "levels",
    "boundary_ratio",
    "expand_timesteps",
    "dtype",
)


def fingerprint_of(spec: ModelSpec) -> str:
    """Hex digest (16 digits) of all that a spec draws on: base with all experts, adapter, single files, settings, and
    the scorer where it decides what is seen. "" while the base is not fetched.

    A folder that holds all of this is known by its files alone.
    """
    if not spec.base:
        return ""
    if spec.path and spec.path == spec.base:
        return _with_changes(spec, fingerprint(spec.base))
    files = [item for item in (spec.transformer_file, spec.transformer_2_file) if item]
    folders = [item for item in (spec.base, spec.path, spec.adapter, _scorer(spec)) if item and Path(item).is_dir()]
    settings = {key: value for key, value in asdict(spec).items() if key in SETTINGS}
    parts = [
        json.dumps(settings, sort_keys=True),
        *(fingerprint(folder) for folder in dict.fromkeys(folders)),
        *(_digest(Path(file)).hex() for file in files),
    ]
    return _with_changes(spec, hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16])


def _with_changes(spec: ModelSpec, base: str) -> str:
    """The fingerprint of a model with its LoRAs (bytes, weight and expert of each, in order) and with the switches of
    its fitting that change bytes; without any it is the model's."""
    if not spec.loras and not spec.fitting.changes:
        return base
    loras = [[_digest(Path(item.file)).hex(), float(item.weight), item.expert] for item in spec.loras]
    changes = [list(spec.fitting.changes)] if spec.fitting.changes else []
    return hashlib.sha256(json.dumps([base, loras, *changes]).encode()).hexdigest()[:16]


def _scorer(spec: ModelSpec) -> str:
    """The folder of the scorer, for a base that remembers by it."""
    from onestory_cli.models.hub import cached_snapshot

    if spec.remembers != "references" or not spec.scorer:
        return ""
    return spec.scorer if Path(spec.scorer).is_dir() else str(cached_snapshot(spec.scorer) or "")


def fingerprint(folder: str) -> str:
    """Hex digest (16 digits) over the names and bytes of all configs and weights in `folder`, in order of name."""
    root = Path(folder).resolve()
    files = sorted(item for item in root.rglob("*") if item.suffix in SUFFIXES and item.is_file())
    stats = ((file, file.stat()) for file in files)
    return _of_files(root, tuple((file, stat.st_size, stat.st_mtime_ns) for file, stat in stats))


@lru_cache(maxsize=32)
def _of_files(root: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    """The fingerprint of files with their sizes and times: what did not change since is not read again."""
    digest = hashlib.sha256()
    for path, _, _ in files:
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(_digest(path))
    return digest.hexdigest()[:16]


def _digest(path: Path) -> bytes:
    """The SHA-256 of a file. Large files in the hub's cache are links to blobs named by it: nothing is read."""
    if path.is_symlink():
        blob = path.resolve()
        if blob.parent.name == "blobs" and _SHA256.fullmatch(blob.name):
            return bytes.fromhex(blob.name)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
