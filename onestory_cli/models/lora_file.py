"""Read a LoRA file, in whichever naming it was saved: diffusers, peft, DiffSynth, Wan/ComfyUI, kohya and musubi.

Shape letters: R rank, D E widths of a layer's output and input.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from onestory_cli.models.fingerprint import LORA_CONFIG
from onestory_cli.models.wan_names import to_diffusers, wan_modules
from onestory_cli.models.weights_header import read_header
from onestory_cli.utils.untrusted import read_json_map

# Longest first: prefixes of the tools that save LoRA files.
_PREFIXES = (
    "base_model.model.",
    "pipe.dit.",
    "model.diffusion_model.",
    "diffusion_model.",
    "transformer_2.",
    "transformer.",
    "model.",
    "dit.",
)
_KOHYA = ("lora_unet__", "lora_unet_", "lycoris_")
# What a key says about its layer: the end of the key -> the kind. peft inserts the name of an adapter.
_KINDS = (
    (re.compile(r"\.(lora_A|lora_down|lora\.down)(\.\w+)?\.weight$"), "down"),
    (re.compile(r"\.(lora_B|lora_up|lora\.up)(\.\w+)?\.weight$"), "up"),
    (re.compile(r"\.(lora_B|lora_up)(\.\w+)?\.bias$"), "up_bias"),
    (re.compile(r"\.alpha$"), "alpha"),
    (re.compile(r"\.diff$"), "diff"),
    (re.compile(r"\.diff_b$"), "diff_bias"),
)
_SHOWN = 3  # names in a message


@dataclass(frozen=True, kw_only=True)
class LoraFile:
    """A LoRA by diffusers module names: `down` (R, E) and `up` (D, R), with the scale of alpha in `up`, and `diffs` to
    add to parameters ("module.weight" or "module.bias")."""

    down: dict[str, Tensor] = field(default_factory=dict)
    up: dict[str, Tensor] = field(default_factory=dict)
    diffs: dict[str, Tensor] = field(default_factory=dict)


def read_lora(file: Path, modules: Collection[str], parameters: Collection[str]) -> LoraFile:
    """The LoRA in a file, for a transformer with these module and parameter names.

    Raises:
        ValueError: the file is not a LoRA of this transformer, or is incomplete; names the first keys.
        OSError: the file cannot be read.
    """
    read_header(file)
    try:
        state = load_file(file)
    except SafetensorError as fault:
        raise ValueError(str(fault).splitlines()[0]) from fault
    kinds, unknown = _by_kind(state, modules, parameters)
    if unknown:
        raise ValueError(f"it has weights that this model does not have: {_listed(unknown)}")
    down, up = kinds["down"], kinds["up"]
    if not down and not kinds["diff"] and not kinds["diff_bias"]:
        raise ValueError("it contains no LoRA weights")
    if unpaired := sorted(down.keys() ^ up.keys()):
        half = "lora_B (lora_up)" if unpaired[0] in down else "lora_A (lora_down)"
        raise ValueError(f"its {half} is missing for {_listed(unpaired)}")
    scales = {name: _scale(name, value, kinds["alpha"], _settings(file)) for name, value in down.items()}
    diffs = {_parameter(name, "weight", parameters): value for name, value in kinds["diff"].items()}
    diffs |= {f"{name}.bias": value for name, value in kinds["diff_bias"].items()}
    diffs |= {f"{name}.bias": value * scales.get(name, 1.0) for name, value in kinds["up_bias"].items()}
    return LoraFile(down=down, up={name: value * scales[name] for name, value in up.items()}, diffs=diffs)


def _by_kind(
    state: Mapping[str, Tensor], modules: Collection[str], parameters: Collection[str]
) -> tuple[dict[str, dict[str, Tensor]], list[str]]:
    """kind -> module -> tensor, and the keys that have no place in the transformer."""
    flat = {name.replace(".", "_"): name for name in modules}
    flat |= {wan.replace(".", "_"): name for wan, name in wan_modules(modules).items()}
    kinds: dict[str, dict[str, Tensor]] = {kind: {} for _, kind in _KINDS}
    unknown = []
    for key, value in state.items():
        found = next(((match.start(), kind) for ending, kind in _KINDS if (match := ending.search(key))), None)
        name = _module(key[: found[0]], flat) if found else ""
        if found is None or (name not in modules and name not in parameters):
            unknown.append(key)
        else:
            kinds[found[1]][name] = value
    return kinds, unknown


def _module(name: str, flat: Mapping[str, str]) -> str:
    """The diffusers module that a key names."""
    kohya = next((item for item in _KOHYA if name.startswith(item)), None)
    if kohya is not None:
        return flat.get(name.removeprefix(kohya), name)
    while (prefix := next((item for item in _PREFIXES if name.startswith(item)), None)) is not None:
        name = name.removeprefix(prefix)
    return to_diffusers(name)


def _parameter(name: str, leaf: str, parameters: Collection[str]) -> str:
    """The parameter of a `.diff`: a table of modulation is a parameter itself."""
    return name if name in parameters else f"{name}.{leaf}"


def _settings(file: Path) -> dict[str, Any]:
    """peft's config next to the file; empty without one."""
    config = file.parent / LORA_CONFIG
    return read_json_map(config) if config.exists() else {}


def _scale(name: str, down: Tensor, alphas: Mapping[str, Tensor], settings: Mapping[str, Any]) -> float:
    """alpha / rank, or alpha / sqrt(rank) for rank-stabilized LoRA (arXiv 2312.03732); 1 if no alpha is given."""
    rank = down.shape[0]
    if name in alphas:
        return float(alphas[name]) / rank
    alpha = _pattern(name, settings.get("alpha_pattern")) or settings.get("lora_alpha")
    if not isinstance(alpha, int | float):
        return 1.0
    return alpha / math.sqrt(rank) if settings.get("use_rslora") is True else alpha / rank


def _pattern(name: str, patterns: object) -> float | None:
    """The value of the first pattern that ends the module's name, as in peft; patterns name modules of any naming."""
    if not isinstance(patterns, dict):
        return None
    for pattern, value in patterns.items():
        ending = to_diffusers(str(pattern))
        if isinstance(value, int | float) and (name == ending or name.endswith(f".{ending}")):
            return value
    return None


def _listed(names: list[str]) -> str:
    shown = ", ".join(f'"{name[:80]}"' for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
