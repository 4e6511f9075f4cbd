"""What a model folder says of itself, as the word of a stranger: bounded, of the right kinds, and numbers that count.

A story can bring its model along, so a card is as untrusted as the story.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

from onestory_cli.memory.policies import POLICIES
from onestory_cli.models.spec import SCHEDULERS, ModelSpec

MAX_BYTES = 4 * 1024 * 1024
MAX_NUMBER = 2**24  # of pixels, frames, steps: far more than any model has, and no product of two overflows
_MAY_BE_ZERO = {"memory_frames", "budget", "guidance", "guidance_2", "memory_guidance", "memory_gb", "boundary_ratio"}
_CHOICES = {
    "policy": tuple(POLICIES),
    "scheduler": SCHEDULERS,
    "task": ("t2v", "i2v", "ti2v", "vace"),
    "dtype": ("float32", "bfloat16", "float16"),
}


def read_json_map(path: Path) -> dict[str, Any]:
    """The map in a JSON file.

    Raises:
        ValueError: there is no map in it, or it is too large or too deep.
        OSError: it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path.name} is not a file")
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"{path.name} is larger than {MAX_BYTES // 1024**2} MiB")
    try:
        value = json.loads(data)
    except RecursionError as fault:
        raise ValueError(f"{path.name} is too deep") from fault
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} holds no map")
    return value


def validate_spec(spec: ModelSpec) -> ModelSpec:
    """The spec, when planning can count on it.

    Raises:
        ValueError: a value is of a wrong kind, or a number is out of every range.
    """
    for field in fields(spec):
        value, kind = getattr(spec, field.name), str(field.type)
        if value is None and kind.endswith("None"):
            continue
        if field.name in _CHOICES and value not in _CHOICES[field.name]:
            raise ValueError(f"{field.name} must be one of {', '.join(_CHOICES[field.name])}")
        if not _fits(field.name, value, kind):
            raise ValueError(f"{field.name} cannot be {str(value)[:40]}")
    if not spec.levels or not all(type(level.patch) is int and 0 <= level.patch <= MAX_NUMBER for level in spec.levels):
        raise ValueError("the patches of levels must be whole numbers")
    return spec


def _fits(name: str, value: Any, kind: str) -> bool:
    least = 0 if name in _MAY_BE_ZERO else 1e-9
    match kind.removesuffix(" | None"):
        case "int":
            return type(value) is int and least <= value <= MAX_NUMBER
        case "float":
            return type(value) in (int, float) and math.isfinite(value) and least <= value <= MAX_NUMBER
        case "bool":
            return isinstance(value, bool)
        case "str":
            return isinstance(value, str) and len(value) < 10_000
        case "tuple[str, ...]":
            return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    return True
