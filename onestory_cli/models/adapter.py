"""Memory adapters: the check that an adapter fits its base, and the changes that it makes to the base.

An adapter is a folder. `config.json` names its base and the sizes of its parts; `adapter.safetensors` holds the weights
as "part.name". The parts are selector and conditioner, and optionally a LoRA or all weights of the transformer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.models.config_limits import excess
from onestory_cli.models.weights_header import read_header
from onestory_cli.utils.untrusted import read_json_map

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "config.json", "adapter.safetensors"
LORA = "memory"  # peft's name for an adapter's LoRA; LoRAs of a story have other names
STUDENT = "student"  # peft's name for a LoRA that is distilled from the model it changes


def read_config(adapter: Path) -> dict[str, Any]:
    """The config of an adapter folder.

    Raises:
        ValueError: it is not a JSON object in a regular file, or its numbers are too large for the weights.
        OSError: it cannot be read.
    """
    config = read_json_map(adapter / ADAPTER_CONFIG)
    weights = adapter / ADAPTER_WEIGHTS
    if weights.is_file() and (why := excess(config, read_header(weights).tensors)):
        raise ValueError(f"{ADAPTER_CONFIG}: {why}")
    return config


def read_weights(adapter: Path, part: str) -> dict[str, Tensor]:
    """The weights of one part of an adapter, by parameter name; other parts are not read.

    Raises:
        ValueError: it is not a safetensors file.
        OSError: it cannot be read.
    """
    read_header(adapter / ADAPTER_WEIGHTS)
    try:
        with safe_open(adapter / ADAPTER_WEIGHTS, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(f"{part}.")]  # noqa: SIM118
            return {name.removeprefix(f"{part}."): file.get_tensor(name) for name in names}
    except SafetensorError as fault:  # such as an unknown dtype
        raise ValueError(str(fault)) from fault


def base_name(spec: ModelSpec) -> str:
    """The name of a spec's base: the last part of its hub id or of its folder."""
    return spec.files.hub.rpartition("/")[2] or Path(spec.files.base).resolve().name


def shapes_of(transformer: nn.Module) -> str:
    """Hex digest (16 digits) over the names and shapes of a transformer's own weights, without LoRAs."""
    shapes = [
        (name.replace(".base_layer.", "."), list(value.shape))
        for name, value in transformer.state_dict().items()
        if ".lora_" not in name
    ]
    return hashlib.sha256(json.dumps(sorted(shapes)).encode()).hexdigest()[:16]


def require_base(spec: ModelSpec, transformer: nn.Module, part: str = "transformer") -> None:
    """Refuse an adapter that was trained for another base. An adapter that came with its base states no base.

    Raises:
        OnestoryError: M520.
    """
    trained = read_config(Path(spec.files.adapter)).get("base")
    if trained is None:
        return
    name, shapes = base_name(spec), shapes_of(transformer)
    faults = {
        f'has no weights for "{part}", one of two experts': part not in trained["shapes"],
        f'does not fit the shapes of "{name}"': part in trained["shapes"] and trained["shapes"][part] != shapes,
        f'was trained for "{trained["name"]}", not for "{name}"': trained["name"] != name,
    }
    for fault in (fault for fault, found in faults.items() if found):
        raise OnestoryError(
            "M520",
            f'the adapter "{spec.files.adapter}" {fault}',
            help=f"use it with {trained['name']}, or train an adapter for this base",
            exit=ExitCode.MACHINE,
        )


def add_lora(transformer: Any, *, rank: int, alpha: int, modules: Sequence[str], name: str = LORA) -> None:
    """Add a new LoRA to the linear layers whose names end with one of `modules`; all others become inactive."""
    from peft import LoraConfig  # the import takes a second, and few models need it

    settings = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(modules))
    transformer.add_adapter(settings, adapter_name=name)


def _lora_elements(transformer: nn.Module, *, rank: int, modules: Sequence[str], **_: object) -> int:
    """The number of weights that such a LoRA has."""
    layers = (layer for name, layer in transformer.named_modules() if name.endswith(tuple(modules)))
    return sum(rank * sum(layer.weight.shape[:2]) for layer in layers if isinstance(layer, nn.Linear))


def apply_delta(adapter: Path, transformer: Any, part: str = "transformer") -> None:
    """Apply the adapter's change to a base's transformer: none, a LoRA, or all weights.

    Raises:
        ValueError: the adapter's weights and its config disagree.
    """
    delta = read_config(adapter).get("delta", {}).get(part)
    if delta is None or delta["kind"] == "none":
        return
    weights = read_weights(adapter, part)
    if delta["kind"] == "lora":
        if _lora_elements(transformer, **delta["lora"]) > sum(value.numel() for value in weights.values()):
            raise ValueError(f"{ADAPTER_CONFIG} states a larger rank than {ADAPTER_WEIGHTS} has")
        add_lora(transformer, **delta["lora"])
    expected = {name for name, _ in transformer.named_parameters() if delta["kind"] == "full" or ".lora_" in name}
    if expected != set(weights):
        name = min(expected ^ set(weights))
        raise ValueError(f"{ADAPTER_WEIGHTS} and {ADAPTER_CONFIG} disagree about {part}.{name}")
    transformer.load_state_dict(weights, strict=False)
