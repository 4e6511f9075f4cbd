"""Load a transformer from one file: safetensors in any common naming, fp8 with or without scales, or GGUF.

Every weight of the file must have a place in the model, and every weight of the model must be in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from accelerate import init_empty_weights
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed
from safetensors import safe_open
from torch import Tensor

from onestory_cli.models.transformer import JoinedRotary, MemoryWanTransformer
from onestory_cli.models.wan_names import strip_prefix, to_diffusers
from onestory_cli.models.weights_header import read_header

# ComfyUI stores fp8 weights divided by a scale, one number or one per output channel, under one of these names.
_SCALES = (".scale_weight", ".weight_scale")
# What ComfyUI stores for fp8 matrix products, which are not used here: scales of inputs, and marks of the format.
_IGNORED = (".scale_input", ".input_scale", ".comfy_quant")
_MARKS = ("scaled_fp8",)
_SHOWN = 3  # names in a message


def load_single_file(kind: Any, file: Path, config: Path, dtype: torch.dtype) -> Any:
    """A transformer of class `kind` with the config of the folder `config` and the weights of `file`, on the CPU.

    Raises:
        ValueError: names the first weights that the file lacks or that the model does not have.
    """
    if file.suffix == ".gguf":
        return _load_gguf(kind, file, config, dtype)
    with init_empty_weights(include_buffers=False):
        model = kind.from_config(kind.load_config(str(config)))
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    names = _names(file)
    _require_same(file, expected, names)
    exact = set(kind._keep_in_fp32_modules or ())
    state = {}
    for name, value in _read(file, names):
        if tuple(value.shape) != expected[name]:
            raise ValueError(f'"{name}" has shape {_text(value.shape)}, but {_text(expected[name])} in the base')
        state[name] = value.to(torch.float32 if exact & set(name.split(".")) else dtype)
    model.load_state_dict(state, assign=True)
    return model


def _load_gguf(kind: Any, file: Path, config: Path, dtype: torch.dtype) -> Any:
    """GGUF weights stay quantized in memory."""
    try:
        model = kind.from_single_file(
            str(file),
            config=str(config),
            torch_dtype=dtype,
            local_files_only=True,
            quantization_config=diffusers.GGUFQuantizationConfig(compute_dtype=dtype),
        )
    except NotImplementedError as fault:  # torch raises it for a parameter that was left on the meta device
        raise ValueError(f'"{file.name}" lacks weights that its base has') from fault
    # the cast to `dtype` includes the rotary table, which must stay exact
    settings = model.config
    rope = WanRotaryPosEmbed(settings.attention_head_dim, tuple(settings.patch_size), settings.rope_max_seq_len)
    model.rope = JoinedRotary(rope) if kind is MemoryWanTransformer else rope
    return model


def _names(file: Path) -> dict[str, str]:
    """Diffusers name -> name in the file, of all weights except scales."""
    found: dict[str, str] = {}
    for stored in read_header(file).tensors:
        name = strip_prefix(stored)
        if name in _MARKS or name.endswith((*_SCALES, *_IGNORED)):
            continue
        found[to_diffusers(name)] = stored
    return found


def _require_same(file: Path, expected: Mapping[str, object], found: Mapping[str, str]) -> None:
    """Refuse a file that lacks weights of the model or has others."""
    if missing := sorted(expected.keys() - found.keys()):
        raise ValueError(f'"{file.name}" lacks {_listed(missing)}, which its base has')
    if unknown := sorted(found.keys() - expected.keys()):
        raise ValueError(
            f'"{file.name}" has {_listed([found[name] for name in unknown])}, which its base does not have'
        )


def _read(file: Path, names: Mapping[str, str]) -> Iterator[tuple[str, Tensor]]:
    """All weights by diffusers name, one at a time, with the scales of fp8 applied."""
    with safe_open(file, framework="pt") as opened:
        stored = set(opened.keys())
        for name, key in names.items():
            value = opened.get_tensor(key)
            scale = next((item for item in _scale_keys(key) if item in stored), None)
            if scale is not None:
                value = _unscaled(value, opened.get_tensor(scale), key)
            yield name, value.clone()


def _scale_keys(key: str) -> Iterator[str]:
    if key.endswith(".weight"):
        yield from (key.removesuffix(".weight") + suffix for suffix in _SCALES)


def _unscaled(value: Tensor, scale: Tensor, key: str) -> Tensor:
    """The weight in float32; a scale per output channel may have any number of trailing dimensions of 1."""
    scale = scale.float()
    if scale.numel() == 1:
        return value.float() * scale.reshape(())
    if scale.numel() != value.shape[0]:
        raise ValueError(f'the scale of "{key}" has {scale.numel()} values for {value.shape[0]} channels')
    return value.float() * scale.reshape(-1, *[1] * (value.ndim - 1))


def _listed(names: list[str]) -> str:
    shown = ", ".join(f'"{name[:80]}"' for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{len(names)} weights, among them {shown}"


def _text(shape: Any) -> str:
    return " x ".join(map(str, shape)) or "()"
