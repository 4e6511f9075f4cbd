"""Apply the LoRA files of a story to a loaded transformer, by peft.

A file is read in whichever naming it was saved: diffusers, peft, DiffSynth, Wan/ComfyUI, kohya and musubi.

Shape letters: R rank, D E widths of a layer's output and input.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging, set_weights_and_activate_adapters
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.adapter import LORA
from onestory_cli.models.fingerprint import LORA_CONFIG
from onestory_cli.models.lora_names import require_fit, sort_keys, unsuitable_lora
from onestory_cli.models.spec import LoraSpec, ModelSpec
from onestory_cli.models.wan_names import to_diffusers
from onestory_cli.models.weights_header import read_header
from onestory_cli.utils.untrusted import read_json_map


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
    keys = sort_keys(state, modules, parameters)
    kinds = {kind: {name: state[key] for name, key in found.items()} for kind, found in keys.items()}
    down, up = kinds["down"], kinds["up"]
    scales = {name: _scale(name, value, kinds["alpha"], _settings(file)) for name, value in down.items()}
    diffs = {_parameter(name, "weight", parameters): value for name, value in kinds["diff"].items()}
    diffs |= {f"{name}.bias": value for name, value in kinds["diff_bias"].items()}
    diffs |= {f"{name}.bias": value * scales.get(name, 1.0) for name, value in kinds["up_bias"].items()}
    return LoraFile(down=down, up={name: value * scales[name] for name, value in up.items()}, diffs=diffs)


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


def apply_loras(spec: ModelSpec, transformer: Any, expert: int) -> None:
    """Add the spec's LoRAs to one expert; a LoRA of the adapter stays active.

    Raises:
        OnestoryError: M514 without peft, M521 for a file that does not fit the transformer.
    """
    loras = [item for item in spec.files.loras if item.applies_to(expert)]
    if not loras:
        return
    _require_peft()
    weights = {LORA: 1.0} if LORA in getattr(transformer, "peft_config", {}) else {}
    for number, lora in enumerate(loras, start=1):
        name = f"lora-{number}"
        try:
            if _add(transformer, lora, name):
                weights[name] = lora.weight
        except (OSError, ValueError, RuntimeError) as fault:
            raise unsuitable_lora(spec, lora, (str(fault).splitlines() or [type(fault).__name__])[0]) from fault
    # not set_adapters: diffusers 0.35 looks up the class name there, and ours is a subclass
    set_weights_and_activate_adapters(transformer, list(weights), list(weights.values()))


def _add(transformer: Any, lora: LoraSpec, name: str) -> bool:
    """Add one LoRA under a peft adapter name; returns whether it has low-rank weights, and not only differences."""
    modules, parameters = _own_modules(transformer), _own_parameters(transformer)
    found = read_lora(Path(lora.file), modules, parameters)
    for module, down in found.down.items():
        _require_shapes(module, modules[module], down, found.up[module])
    with torch.no_grad():
        for parameter, diff in found.diffs.items():
            parameters[parameter].add_(_fitted(parameter, parameters[parameter], diff), alpha=lora.weight)
    if found.down:
        _load_adapter(transformer, found, name)
    return bool(found.down)


def _own_modules(transformer: nn.Module) -> dict[str, nn.Module]:
    """The modules of a transformer by their names without LoRA; a LoRA wraps a layer as `base_layer`."""
    modules = {name: module for name, module in transformer.named_modules() if ".lora_" not in name}
    return {name.removesuffix(".base_layer"): module for name, module in modules.items()}


def _own_parameters(transformer: nn.Module) -> dict[str, Tensor]:
    parameters = transformer.named_parameters()
    return {name.replace(".base_layer.", "."): value for name, value in parameters if ".lora_" not in name}


def _require_shapes(name: str, layer: nn.Module, down: Tensor, up: Tensor) -> None:
    """Refuse low-rank weights of another shape than their layer."""
    if not hasattr(layer, "weight"):
        raise ValueError(f'"{name}" is not a layer with weights')
    require_fit(name, tuple(layer.weight.shape), tuple(down.shape), tuple(up.shape))


def _fitted(name: str, parameter: Tensor, diff: Tensor) -> Tensor:
    """A difference in the shape of its parameter; latents come first in the input channels of every base, so a
    text-to-video difference is filled with zeros for an image-to-video base."""
    if not parameter.is_floating_point() or type(parameter) not in (Tensor, nn.Parameter):
        raise ValueError(f'it changes "{name}", whose weights are quantized')
    if name == "patch_embedding.weight" and diff.ndim == 5 and diff.shape[1] < parameter.shape[1]:
        missing = parameter.shape[1] - diff.shape[1]
        diff = torch.cat([diff, diff.new_zeros(diff.shape[0], missing, *diff.shape[2:])], dim=1)
    if diff.numel() != parameter.numel() or diff.shape[0] != parameter.shape[0]:
        raise ValueError(f'its difference for "{name}" has another shape')
    return diff.reshape(parameter.shape).to(parameter)


def _load_adapter(transformer: Any, found: LoraFile, name: str) -> None:
    """Add the low-rank weights by diffusers; all of them have a place, so its notices have nothing to add."""
    state = {f"transformer.{module}.lora_A.weight": value for module, value in found.down.items()}
    state |= {f"transformer.{module}.lora_B.weight": value.contiguous() for module, value in found.up.items()}
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        transformer.load_lora_adapter(state, prefix="transformer", adapter_name=name)
    finally:
        logging.set_verbosity(verbosity)


def _require_peft() -> None:
    try:
        import peft  # noqa: F401
    except ImportError as fault:
        raise OnestoryError(
            "M514",
            "`lora:` needs the package peft, which is not installed",
            help="run `pip install 'peft>=0.17,<1'`",
            exit=ExitCode.MACHINE,
        ) from fault
