"""Atomic checkpoints: a stage stopped at any instant goes on from its last one, to the step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write to a neighbour, sync, rename: the old checkpoint stays whole until the new one is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The last checkpoint, or None before the first. Tensors and plain values only: nothing in it can run."""
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None


def save_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Weights alone, as safetensors, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    save_file({name: value.detach().contiguous().cpu() for name, value in weights.items()}, draft)
    os.replace(draft, path)


def load_weights(path: Path, modules: Mapping[str, nn.Module]) -> None:
    """Put saved weights "part.name" into the modules that the file knows; every parameter of those must be there."""
    stored = load_file(path)
    for part, module in modules.items():
        prefix = f"{part}."
        own = {name[len(prefix) :]: value for name, value in stored.items() if name.startswith(prefix)}
        if own:
            module.load_state_dict(own, strict=False)
            missing = {name for name, _ in module.named_parameters()} - set(own)
            if missing:
                raise ValueError(f"{path.name} has no {part}.{sorted(missing)[0]}")
