"""Refuse a config whose numbers do not fit the weights next to it. The libraries would build the network first, which
takes hours or all memory for a million layers. Products of sizes are checked by `network_size`. No torch here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onestory_cli.models.weights_header import TensorInfo, read_header
from onestory_cli.utils.untrusted import read_json_map

MAX_LAYERS = 256  # the largest published networks have about 100
MAX_POSITIONS = 2**14  # rows of a table that is computed instead of stored; Wan has 1024
MAX_FREE = 2**20  # a number up to this may be anything: a token, a limit, a size of pictures
MAX_ENTRIES = 4096  # of one list


def excess_of_part(part: Path) -> str:
    """Why the config of a part does not fit its .safetensors files; "" if it does, or if it has none of them."""
    files = sorted(part.glob("*.safetensors"))
    try:
        tensors = {name: info for file in files for name, info in read_header(file).tensors.items()}
        return excess(read_json_map(part / "config.json"), tensors) if files else ""
    except (OSError, ValueError):  # reported as damage of that file
        return ""


def excess(config: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> str:
    """The first number of a config that is too large for these weights; "" if there is none."""
    elements = sum(math.prod(info.shape) for info in tensors.values())
    for name, value in _numbers(config, ""):
        if isinstance(value, list):
            if len(value) > MAX_ENTRIES:
                return f"{name} has {len(value)} entries"
        elif abs(value) > _limit(name, len(tensors), elements):
            return f"{name} {str(value)[:20]} is too large for its weights"
    return ""


def _limit(name: str, tensors: int, elements: int) -> int:
    """The largest value of a number: each layer has a weight, and no dimension is larger than all weights."""
    key = name.rpartition(".")[2]
    if key == "rope_max_seq_len":
        return MAX_POSITIONS
    if "layers" in key or "blocks" in key:
        return min(MAX_LAYERS, max(tensors, 1))
    return max(elements, MAX_FREE)


def _numbers(value: Any, name: str) -> Iterator[tuple[str, int | list[Any]]]:
    """All whole numbers and lists of a config with their names, such as "text.num_layers"."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list):
        yield name, value
        for item in value[:MAX_ENTRIES]:
            yield from _numbers(item, name)
    elif type(value) is int:
        yield name, value
