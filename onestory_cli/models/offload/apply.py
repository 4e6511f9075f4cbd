"""A fitting put into effect, by diffusers' own switches."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import diffusers
import torch
from accelerate import cpu_offload_with_hook
from torch import nn

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.block_cache import cache_blocks
from onestory_cli.models.offload.config import DeviceMemory, ExecutionConfig

PACKAGES = ("torchao", "bitsandbytes")
_CPU = torch.device("cpu")


def device_memory(device: torch.device, memory: int | None = None) -> DeviceMemory:
    """What a device has; `memory` is what may be used of it instead of all."""
    host = _host_memory()
    packages = frozenset(name for name in PACKAGES if find_spec(name))
    if device.type != "cuda":
        return DeviceMemory(memory=host, host=host, gpu=False, packages=packages)
    whole = torch.cuda.get_device_properties(device).total_memory
    return DeviceMemory(memory=min(whole, memory or whole), host=host, packages=packages)


def _host_memory() -> int:
    """Bytes of the machine's memory, or of the part of it that its container may use."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return whole
    return min(whole, int(limit)) if limit.isdigit() else whole


def quantization_options(fitting: ExecutionConfig, dtype: torch.dtype) -> dict[str, Any]:
    """What `from_pretrained` of a transformer is told about its storage.

    Raises:
        OnestoryError: M514 without the package that quantises.
    """
    needed = {"int8": "torchao", "nf4": "bitsandbytes"}.get(fitting.storage)
    if needed is None:
        return {}
    if not find_spec(needed):
        raise OnestoryError(
            "M514",
            f"storage in {fitting.storage} needs the package {needed}, which is not installed",
            help=f"`pip install {needed}`, or `--quantise fp8`, which needs none",
            exit=ExitCode.MACHINE,
        )
    if fitting.storage == "nf4":
        config: Any = diffusers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    else:
        from torchao.quantization import Int8WeightOnlyConfig

        config = diffusers.TorchAoConfig(Int8WeightOnlyConfig())
    return {"quantization_config": config}


def apply_execution(
    fitting: ExecutionConfig, device: torch.device, *, transformers: list[Any], encoders: list[nn.Module], vae: Any
) -> None:
    """Set the switches of loaded parts. Those that wait on the processor while they are not at work go there.

    Raises:
        OnestoryError: U606 for an attention kernel that diffusers cannot use here, or a cache that cannot be.
    """
    for transformer in transformers:
        if fitting.storage == "fp8":
            transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=transformer.dtype)
        if fitting.attention:
            _attend(transformer, fitting.attention)
        if fitting.cache is not None:
            cache_blocks(transformer, fitting.cache)
        if fitting.compile_blocks:
            transformer.compile_repeated_blocks(fullgraph=True, dynamic=True)
    if fitting.vae_tiling:
        vae.enable_tiling()
    if device.type == "cuda" and fitting.offload == "model":
        _one_at_a_time(device, [*encoders, *transformers])
    elif device.type == "cuda" and fitting.offload == "group":
        _in_groups(device, transformers, encoders)


def _attend(transformer: Any, kernel: str) -> None:
    try:
        transformer.set_attention_backend(kernel)
    except (ValueError, RuntimeError, ImportError) as fault:
        reason = (str(fault).splitlines() or [type(fault).__name__])[0]
        raise OnestoryError(
            "U606",
            f'attention "{kernel}" cannot be used here: {reason}',
            help="leave `--attention` out for torch's own",
            exit=ExitCode.USAGE,
        ) from fault


def _one_at_a_time(device: torch.device, parts: list[nn.Module]) -> None:
    """Each part comes to the card when it is called, and sends the one before it back."""
    hook = None
    for part in parts:
        _, hook = cpu_offload_with_hook(part, device, prev_module_hook=hook)


def _in_groups(device: torch.device, transformers: list[Any], encoders: list[nn.Module]) -> None:
    """Blocks come two at a time, the next while one works."""
    for transformer in transformers:
        transformer.enable_group_offload(
            onload_device=device, offload_type="block_level", num_blocks_per_group=2, use_stream=True
        )
    for part in encoders:
        diffusers.hooks.apply_group_offloading(
            part, onload_device=device, offload_device=_CPU, offload_type="leaf_level", use_stream=True
        )
