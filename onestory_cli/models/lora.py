"""Apply the LoRA files of a story to a loaded transformer, by diffusers and peft."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers import WanPipeline
from diffusers.utils import logging, set_weights_and_activate_adapters
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.adapter import LORA
from onestory_cli.models.spec import LoraSpec, ModelSpec

PREFIX = "transformer."  # of diffusers' key names; the Wan team's names begin with "diffusion_model."
_WAN_NAMES = (".self_attn.", ".cross_attn.", ".ffn.0.", ".ffn.2.")  # modules of a block in the Wan team's naming


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
        _add(transformer, lora, _read(spec, lora), name, spec)
        weights[name] = lora.weight
    # not set_adapters: diffusers 0.35 looks up the class name there, and ours is a subclass
    set_weights_and_activate_adapters(transformer, list(weights), list(weights.values()))


def _add(transformer: Any, lora: LoraSpec, state: dict[str, Tensor], name: str, spec: ModelSpec) -> None:
    """Load through a pipeline with no other part, because the pipeline adapts a text-to-video LoRA to an
    image-to-video base."""
    if reason := _mismatch(transformer, state):
        raise _refused(spec, lora, reason)
    holder = WanPipeline(tokenizer=None, text_encoder=None, vae=None, scheduler=None, transformer=transformer)
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        holder.load_lora_weights(state, adapter_name=name)
    except (ValueError, RuntimeError, KeyError, IndexError) as fault:
        raise _refused(spec, lora, (str(fault).splitlines() or [type(fault).__name__])[0]) from fault
    finally:
        logging.set_verbosity(verbosity)


def _read(spec: ModelSpec, lora: LoraSpec) -> dict[str, Tensor]:
    """The weights of a file, converted to diffusers' names."""
    try:
        state = load_file(lora.file)
        if not any(name.startswith((PREFIX, "diffusion_model.", "lora_unet_")) for name in state):
            wan = any(part in name for name in state for part in _WAN_NAMES)
            state = {("diffusion_model." if wan else PREFIX) + name: value for name, value in state.items()}
        converted: dict[str, Tensor] = WanPipeline.lora_state_dict(state)
    except (SafetensorError, OSError, ValueError, KeyError, IndexError) as fault:
        reason = (str(fault).splitlines() or [type(fault).__name__])[0]
        raise _refused(spec, lora, reason) from fault
    return converted


def _mismatch(transformer: nn.Module, state: dict[str, Tensor]) -> str:
    """Why a LoRA does not fit a transformer; "" if all its weights do."""
    modules = dict(transformer.named_modules())
    if not any(name.startswith(PREFIX) and ".lora_" in name for name in state):
        return "it contains no LoRA weights of a transformer"
    for name, value in state.items():
        place, found, part = name.removeprefix(PREFIX).partition(".lora_")
        if not found:
            return f'"{name}" is not a LoRA weight'
        if place not in modules or not hasattr(modules[place], "weight"):
            return f'this model has no "{place}"'
        outward, inward = modules[place].weight.shape[:2]
        if (part == "A.weight" and value.shape[1] != inward) or (part == "B.weight" and value.shape[0] != outward):
            return f'the shape of "{name}" does not match "{place}" ({outward} x {inward})'
    return ""


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
