"""Apply the LoRA files of a story to a loaded transformer, by peft."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging, set_weights_and_activate_adapters
from torch import Tensor, nn

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.adapter import LORA
from onestory_cli.models.lora_file import LoraFile, read_lora
from onestory_cli.models.spec import LoraSpec, ModelSpec


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
            raise _refused(spec, lora, (str(fault).splitlines() or [type(fault).__name__])[0]) from fault
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
    outputs, inputs = layer.weight.shape[:2]
    given = (up.shape[0], *down.shape[1:2]) if up.ndim > 1 else ()
    if given != (outputs, inputs) or up.shape[1] != down.shape[0]:
        raise ValueError(f'it is for a layer of {" x ".join(map(str, given))}, but "{name}" is {outputs} x {inputs}')


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


def _refused(spec: ModelSpec, lora: LoraSpec, why: str) -> OnestoryError:
    return OnestoryError(
        "M521",
        f'the LoRA "{Path(lora.file).name}" does not fit "{spec.name}": {why}',
        help="use a LoRA trained for this model, or the model that it was trained for",
        exit=ExitCode.MACHINE,
    )
