"""The fingerprint of a model, which is part of the key of a take. No torch here."""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.memory.policies import needs_scores
from onestory_cli.models.spec import ExternalModel, ModelSpec
from onestory_cli.utils.untrusted import file_sha256

LORA_CONFIG = "adapter_config.json"  # peft saves it next to the weights
SUFFIXES = {".json", ".safetensors", ".gguf", ".txt", ".model"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Fields of a spec that change the bytes of a shot and that its key does not contain.
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
    """Hex digest (16 digits) of all that determines a model's output; "" until base and LoRAs are downloaded.

    It covers the base with all experts, adapter, single files, settings, and the scorer if it selects what the
    transformer reads. A folder that contains all of this is identified by its files alone.
    """
    used = spec.files
    if spec.external:
        return _of_external(spec.external, _scorer(spec) if needs_scores(spec.policy) else "")
    if not used.base or not all(item.file for item in used.loras):
        return ""
    if used.path and used.path == used.base:
        return _with_changes(spec, fingerprint(used.base))
    files = [item for item in (used.transformer_file, used.transformer_2_file) if item]
    folders = [item for item in (used.base, used.path, used.adapter, _scorer(spec)) if item and Path(item).is_dir()]
    settings = {key: value for key, value in spec.facts.items() if key in SETTINGS}
    settings |= {"isolated_context": True} if spec.isolated_context else {}  # absent otherwise: older keys stay valid
    parts = [
        json.dumps(settings, sort_keys=True),
        *(fingerprint(folder) for folder in dict.fromkeys(folders)),
        *(_digest(Path(file)).hex() for file in files),
    ]
    return _with_changes(spec, hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16])


def _of_external(model: ExternalModel, scorer: str) -> str:
    """Of an external model: its workflow or command, its card, and the scorer that selects its pictures."""
    parts = [model.identity, *([fingerprint(scorer)] if scorer else [])]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _with_changes(spec: ModelSpec, base: str) -> str:
    """`base` combined with the LoRAs (bytes, weight and expert of each, in order) and the execution options that
    change bytes; `base` itself without any."""
    loras, changes = spec.files.loras, spec.execution.changes
    if not loras and not changes:
        return base
    rows = [[_lora_digest(Path(item.file)), float(item.weight), item.expert] for item in loras]
    return hashlib.sha256(json.dumps([base, rows, *([list(changes)] if changes else [])]).encode()).hexdigest()[:16]


def _lora_digest(file: Path) -> str:
    """Of a LoRA file, and of peft's config next to it, which holds its scale."""
    config = file.parent / LORA_CONFIG
    return _digest(file).hex() + (_digest(config).hex() if config.is_file() else "")


def _scorer(spec: ModelSpec) -> str:
    """The folder of the scorer, for a base whose references it selects."""
    from onestory_cli.models.hub import cached_snapshot

    if spec.remembers not in ("references", "keyframes") or not spec.scorer:
        return ""
    return spec.scorer if Path(spec.scorer).is_dir() else str(cached_snapshot(spec.scorer) or "")


def fingerprint(folder: str) -> str:
    """Hex digest (16 digits) over the names and bytes of all configs and weights in `folder`, sorted by name."""
    root = Path(folder).resolve()
    files = sorted(item for item in root.rglob("*") if item.suffix in SUFFIXES and item.is_file())
    stats = ((file, file.stat()) for file in files)
    return _of_files(root, tuple((file, stat.st_size, stat.st_mtime_ns) for file, stat in stats))


@lru_cache(maxsize=32)
def _of_files(root: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    """The fingerprint of files. Sizes and modification times are only cache keys: unchanged files are read once."""
    digest = hashlib.sha256()
    for path, _, _ in files:
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(_digest(path))
    return digest.hexdigest()[:16]


def _digest(path: Path) -> bytes:
    """The SHA-256 of a file. Large files in the hub's cache link to blobs named by it, so they need no reading."""
    if path.is_symlink():
        blob = path.resolve()
        if blob.parent.name == "blobs" and _SHA256.fullmatch(blob.name):
            return bytes.fromhex(blob.name)
    try:
        return file_sha256(path)[0]
    except ValueError as fault:
        help = "restore the file, or choose another model of `onestory models`"
        raise OnestoryError("M503", f'cannot use "{path}": {fault}', help=help, exit=ExitCode.MACHINE) from fault
