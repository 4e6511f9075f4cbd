"""Validate the spec of a model folder's card. A story can bring its own model, so a card is untrusted."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import fields
from typing import Any

from onestory_cli.memory.policies import POLICIES
from onestory_cli.models.spec import TASKS, ModelSpec
from onestory_cli.schedulers import SCHEDULERS

MAX_NUMBER = 2**24  # pixels, frames, steps: far above any model, and a product of two does not overflow
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
    if not spec.levels or not all(type(level.patch) is int and 0 <= level.patch <= MAX_NUMBER for level in spec.levels):
        raise ValueError("the patches of levels must be whole numbers")
    return spec


def _validate(name: str, value: Any, kind: str) -> None:
    if value is None and kind.endswith("None"):
        return
    if name in _CHOICES and value not in _CHOICES[name]:
        raise ValueError(f"{name} must be one of {', '.join(_CHOICES[name])}")
    if not _is_valid(name, value, kind):
        raise ValueError(f"{name} cannot be {str(value)[:40]}")


def _is_valid(name: str, value: Any, kind: str) -> bool:
    minimum = 0 if name in _MAY_BE_ZERO else 1e-9
    match kind.removesuffix(" | None"):
        case "int":
            return type(value) is int and minimum <= value <= MAX_NUMBER
        case "float":
            return type(value) in (int, float) and math.isfinite(value) and minimum <= value <= MAX_NUMBER
        case "bool":
            return isinstance(value, bool)
        case "str":
            return isinstance(value, str) and len(value) < 10_000
        case "tuple[str, ...]":
            return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    return True
