"""What ties an adapter to its base, and the part of an adapter that changes the base itself.

An adapter is a folder: `config.json` says whose it is and how large its parts are, `adapter.safetensors` holds their
weights as "part.name". Besides selector and conditioner these may be a LoRA or all weights of the transformer.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from peft import LoraConfig
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
    return Path(spec.base).resolve().name


def shapes_of(transformer: nn.Module) -> str:
    """Hex digest (16 digits) over the names and shapes of a transformer's own weights; a LoRA on it does not count."""
    shapes = [
        (name.replace(".base_layer.", "."), list(value.shape))
        for name, value in transformer.state_dict().items()
        if ".lora_" not in name
    ]
    return hashlib.sha256(json.dumps(sorted(shapes)).encode()).hexdigest()[:16]


def require_base(spec: ModelSpec, transformer: nn.Module) -> None:
    """Refuse an adapter that was trained for another base; one that came with its base says nothing of it.

    Raises:
        OnestoryError: M520.
    """
    meant = read_config(Path(spec.adapter)).get("base")
    if meant is None:
        return
    name, shapes = base_name(spec), shapes_of(transformer)
    if (meant["name"], meant["shapes"]) != (name, shapes):
        what = "of other shapes" if meant["shapes"] != shapes else "of another name"
        raise OnestoryError(
            "M520",
            f'the adapter "{spec.adapter}" was trained for the base "{meant["name"]}", and "{name}" is {what}',
            help=f"use it with {meant['name']}, or train one for this base",
            exit=ExitCode.MACHINE,
        )


def add_lora(transformer: Any, *, rank: int, alpha: int, modules: tuple[str, ...] | list[str]) -> None:
    """Put a fresh LoRA on the linear layers whose names end as in `modules`."""
    settings = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(modules))
    transformer.add_adapter(settings, adapter_name=LORA)


def apply_delta(adapter: Path, transformer: Any, part: str = "transformer") -> None:
    """Change a base's transformer as its adapter says: not at all, by a LoRA, or in all weights.

    Raises:
        RuntimeError: the adapter's file and its config do not agree.
    """
    delta = read_config(adapter).get("delta", {"kind": "none"})
    if delta["kind"] == "none":
        return
    if delta["kind"] == "lora":
        add_lora(transformer, **delta["lora"])
    weights = read_weights(adapter, part)
    wanted = {name for name, _ in transformer.named_parameters() if delta["kind"] == "full" or ".lora_" in name}
    if wanted != set(weights):
        lacking = sorted(wanted ^ set(weights))
        raise RuntimeError(f"{ADAPTER_WEIGHTS} and {ADAPTER_CONFIG} do not agree about {lacking[0]}")
    transformer.load_state_dict(weights, strict=False)
