"""Atomic checkpoints: an interrupted stage resumes from its last one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from onestory_cli.utils.atomic import replacing


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors and plain values atomically: the old checkpoint is kept until the new one is complete."""
    with atomic_path(path) as draft:
        torch.save(dict(state), draft)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The last checkpoint, or None. Only tensors and plain values are read, so no code in it can run."""
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None


def save_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write weights as safetensors, atomically."""
    with atomic_path(path) as draft:
        save_file({name: value.detach().contiguous().cpu() for name, value in weights.items()}, draft)


def load_weights(path: Path, modules: Mapping[str, nn.Module]) -> None:
    """Load weights named "part.name" into the modules that the file has weights for.

    Raises:
        ValueError: the parameter names of a module and the file differ.
    """
    stored = load_file(path)
    for part, module in modules.items():
        prefix = f"{part}."
        own = {name[len(prefix) :]: value for name, value in stored.items() if name.startswith(prefix)}
        if not own:
            continue
        names = {name for name, _ in module.named_parameters()}
        for name in sorted(names ^ set(own)):
            raise ValueError(f"{path.name} {'has no' if name in names else 'has an unknown'} {prefix}{name}")
        module.load_state_dict(own, strict=False)  # tied parameters are stored once, buffers are not stored


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a draft path; when the block succeeds, it is synced to disk and renamed to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as draft:
        yield draft
