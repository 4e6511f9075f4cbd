"""LoRA files of people, put on a loaded transformer by diffusers and peft, whichever way their weights are named."""

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

PREFIX = "transformer."  # of names as diffusers saves them; the Wan team's begin with "diffusion_model."
_THEIRS = (".self_attn.", ".cross_attn.", ".ffn.0.", ".ffn.2.")  # parts of blocks as the Wan team names them


def apply_loras(spec: ModelSpec, transformer: Any, expert: int) -> None:
    """Put the spec's LoRAs on one expert, beside the adapter's own if it has one.

    Raises:
        OnestoryError: M514 without peft, M521 for a file that does not fit the transformer.
    """
    loras = [item for item in spec.loras if item.is_for(expert)]
    if not loras:
        return
    _require_peft()
    weights = {LORA: 1.0} if LORA in getattr(transformer, "peft_config", {}) else {}
    for number, lora in enumerate(loras, start=1):
        name = f"lora-{number}"
        _add(transformer, lora, _read(spec, lora), name, spec)
        weights[name] = lora.weight
    # not set_adapters: that of diffusers 0.35 asks for the name of the class, which is not the base's here
    set_weights_and_activate_adapters(transformer, list(weights), list(weights.values()))


def _add(transformer: Any, lora: LoraSpec, state: dict[str, Tensor], name: str, spec: ModelSpec) -> None:
    """By the way of a pipeline that has no other part: it knows what names mean, and how a text-to-video LoRA goes on
    an image-to-video base."""
    if wrong := _unfit(transformer, state):
        raise _refused(spec, lora, wrong)
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
    """The weights of a file, named as diffusers does."""
    try:
        state = load_file(lora.file)
        if not any(name.startswith((PREFIX, "diffusion_model.", "lora_unet_")) for name in state):
            theirs = any(part in name for name in state for part in _THEIRS)
            state = {("diffusion_model." if theirs else PREFIX) + name: value for name, value in state.items()}
        converted: dict[str, Tensor] = WanPipeline.lora_state_dict(state)
    except (SafetensorError, OSError, ValueError, KeyError, IndexError) as fault:
        reason = (str(fault).splitlines() or [type(fault).__name__])[0]
        raise _refused(spec, lora, reason) from fault
    return converted


def _unfit(transformer: nn.Module, state: dict[str, Tensor]) -> str:
    """What of a LoRA has no place on a transformer, or one of another shape; "" where all fits."""
    modules = dict(transformer.named_modules())
    if not any(name.startswith(PREFIX) and ".lora_" in name for name in state):
        return "it holds no LoRA of a transformer"
    for name, value in state.items():
        place, found, part = name.removeprefix(PREFIX).partition(".lora_")
        if not found:
            return f'"{name}" is no part of a LoRA'
        if place not in modules or not hasattr(modules[place], "weight"):
            return f'this model has no "{place}"'
        outward, inward = modules[place].weight.shape[:2]
        if (part == "A.weight" and value.shape[1] != inward) or (part == "B.weight" and value.shape[0] != outward):
            return f'"{place}" is {outward} x {inward} here, and not in the file'
    return ""


def _require_peft() -> None:
    try:
        import peft  # noqa: F401
    except ImportError as fault:
        raise OnestoryError(
            "M514",
            "`lora:` needs the package peft, which is not installed",
            help="`pip install 'peft>=0.17,<1'`",
            exit=ExitCode.MACHINE,
        ) from fault


def _refused(spec: ModelSpec, lora: LoraSpec, why: str) -> OnestoryError:
    return OnestoryError(
        "M521",
        f'the LoRA "{Path(lora.file).name}" does not fit "{spec.name}": {why}',
        help="use one that was trained for this model, or the model that it was trained for",
        exit=ExitCode.MACHINE,
    )
