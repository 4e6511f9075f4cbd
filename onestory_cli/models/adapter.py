"""What ties an adapter to its base, and the part of an adapter that changes the base itself.

An adapter is a folder: `config.json` says whose it is and how large its parts are, `adapter.safetensors` holds their
weights as "part.name". Besides selector and conditioner these may be a LoRA or all weights of the transformer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor, nn

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.catalog import ModelSpec

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "config.json", "adapter.safetensors"
LORA = "memory"  # the name of an adapter's LoRA among others that a user may add


def read_config(adapter: Path) -> dict[str, Any]:
    """The config of an adapter folder."""
    config: dict[str, Any] = json.loads((adapter / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    return config


def read_weights(adapter: Path, part: str) -> dict[str, Tensor]:
    """The weights of one part of an adapter, by their names in it; no other part is read."""
    with safe_open(adapter / ADAPTER_WEIGHTS, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(f"{part}.")]  # noqa: SIM118
        return {name.removeprefix(f"{part}."): file.get_tensor(name) for name in names}


def base_name(spec: ModelSpec) -> str:
    """The name of a spec's base wherever it lies: the last part of its hub id or of its folder."""
    return spec.hub.rpartition("/")[2] or Path(spec.base).resolve().name


def shapes_of(transformer: nn.Module) -> str:
    """Hex digest (16 digits) over the names and shapes of a transformer's own weights; a LoRA on it does not count."""
    shapes = [
        (name.replace(".base_layer.", "."), list(value.shape))
        for name, value in transformer.state_dict().items()
        if ".lora_" not in name
    ]
    return hashlib.sha256(json.dumps(sorted(shapes)).encode()).hexdigest()[:16]


def require_base(spec: ModelSpec, transformer: nn.Module, part: str = "transformer") -> None:
    """Refuse an adapter that was trained for another base; one that came with its base says nothing of it.

    Raises:
        OnestoryError: M520.
    """
    meant = read_config(Path(spec.adapter)).get("base")
    if meant is None:
        return
    name, shapes = base_name(spec), shapes_of(transformer)
    faults = {
        f'has nothing for "{part}", one of two experts': part not in meant["shapes"],
        "has weights of other shapes": part in meant["shapes"] and meant["shapes"][part] != shapes,
        "is another": meant["name"] != name,
    }
    for fault in (fault for fault, found in faults.items() if found):
        subject = "it" if fault.startswith("has nothing") else f'"{name}"'
        raise OnestoryError(
            "M520",
            f'the adapter "{spec.adapter}" was trained for the base "{meant["name"]}", and {subject} {fault}',
            help=f"use it with {meant['name']}, or train one for this base",
            exit=ExitCode.MACHINE,
        )


def add_lora(transformer: Any, *, rank: int, alpha: int, modules: Sequence[str]) -> None:
    """Put a fresh LoRA on the linear layers whose names end as in `modules`."""
    from peft import LoraConfig  # costs a second, and few need it

    settings = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(modules))
    transformer.add_adapter(settings, adapter_name=LORA)


def apply_delta(adapter: Path, transformer: Any, part: str = "transformer") -> None:
    """Change a base's transformer as its adapter says: not at all, by a LoRA, or in all weights.

    Raises:
        ValueError: the adapter's file and its config do not agree.
    """
    delta = read_config(adapter).get("delta", {}).get(part)
    if delta is None or delta["kind"] == "none":
        return
    if delta["kind"] == "lora":
        add_lora(transformer, **delta["lora"])
    weights = read_weights(adapter, part)
    wanted = {name for name, _ in transformer.named_parameters() if delta["kind"] == "full" or ".lora_" in name}
    if wanted != set(weights):
        name = min(wanted ^ set(weights))
        raise ValueError(f"{ADAPTER_WEIGHTS} and {ADAPTER_CONFIG} do not agree about {part}.{name}")
    transformer.load_state_dict(weights, strict=False)
