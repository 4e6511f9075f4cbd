"""Validate the spec of a model folder's card. A story can bring its own model, so a card is untrusted."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import fields
from typing import Any

from onestory_cli.memory.policies import POLICIES
from onestory_cli.models.spec import TASKS, ModelSpec
from onestory_cli.schedulers import SCHEDULERS

MAX_NUMBER = 2**24
# Far above any model, and low enough that a plan stays small: it lists frames and levels, and sums up tokens.
_MAX_NUMBERS = {
    "width": 2**14,
    "height": 2**14,
    "size_multiple": 2**10,
    "spatial_stride": 2**8,
    "temporal_stride": 2**6,
    "patch": 2**6,
    "scale": 2**6,
    "fps": 1000,
    "frames": 2**14,
    "max_frames": 2**14,
    "latent_channels": 2**12,
    "steps": 10_000,
    "memory_frames": 2**10,
    "budget": 2**10,
}
MAX_LEVELS, MAX_LEVEL_PATCH, MAX_WORDS = 16, 2**10, 100_000
_MAY_BE_ZERO = {"memory_frames", "budget", "guidance", "guidance_2", "memory_guidance", "memory_gb", "boundary_ratio"}
_CHOICES: dict[str, Collection[str]] = {
    "policy": POLICIES,
    "scheduler": SCHEDULERS,
    "task": TASKS,
    "dtype": ("float32", "bfloat16", "float16"),
}


def validate_spec(spec: ModelSpec) -> ModelSpec:
    """Return the spec if all its values have the right type and a usable range.

    Raises:
        ValueError: names the first field that does not.
    """
    for part in (spec, spec.files):
        for field in fields(part):
            _validate(field.name, getattr(part, field.name), str(field.type))
    if not 0 < len(spec.levels) <= MAX_LEVELS:
        raise ValueError(f"it must have 1 to {MAX_LEVELS} levels")
    if not all(type(level.patch) is int and 0 <= level.patch <= MAX_LEVEL_PATCH for level in spec.levels):
        raise ValueError(f"the patches of levels must be whole numbers up to {MAX_LEVEL_PATCH}")
    if spec.isolated_context and not spec.expand_timesteps:
        raise ValueError("isolated_context needs a base with one timestep per token")
    if min(spec.width, spec.height) < spec.spatial_stride:
        raise ValueError(f"a picture of {spec.width}x{spec.height} is smaller than its spatial_stride")
    return spec


def _validate(name: str, value: Any, kind: str) -> None:
    if value is None and kind.endswith("None"):
        return
    if name in _CHOICES and value not in _CHOICES[name]:
        raise ValueError(f"{name} must be one of {', '.join(_CHOICES[name])}")
    if not _is_valid(name, value, kind):
        raise ValueError(f"{name} cannot be {str(value)[:40]}")


def _is_valid(name: str, value: Any, kind: str) -> bool:
    minimum, maximum = 0 if name in _MAY_BE_ZERO else 1e-9, _MAX_NUMBERS.get(name, MAX_NUMBER)
    match kind.removesuffix(" | None"):
        case "int":
            return type(value) is int and minimum <= value <= maximum
        case "float":
            return type(value) in (int, float) and math.isfinite(value) and minimum <= value <= maximum
        case "bool":
            return isinstance(value, bool)
        case "str":
            return isinstance(value, str) and len(value) < 10_000
        case "tuple[str, ...]":
            fits = isinstance(value, tuple) and len(value) <= MAX_WORDS
            return fits and all(isinstance(item, str) for item in value)
    return True
