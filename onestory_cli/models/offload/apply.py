"""Apply an execution config to loaded modules, with diffusers' own functions."""

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
from onestory_cli.models.caches import cache_blocks
from onestory_cli.models.offload.config import DeviceMemory, ExecutionConfig

QUANTIZATION_PACKAGES = ("torchao", "bitsandbytes")
_CPU = torch.device("cpu")


def device_memory(device: torch.device, limit: int | None = None) -> DeviceMemory:
    """The memory of a device and its host; `limit` (bytes) restricts what may be used of a GPU."""
    host = _host_memory()
    packages = frozenset(name for name in QUANTIZATION_PACKAGES if find_spec(name))
    if device.type != "cuda":
        return DeviceMemory(memory=host, host=host, gpu=False, packages=packages)
    total = torch.cuda.get_device_properties(device).total_memory
    return DeviceMemory(memory=min(total, limit or total), host=host, packages=packages)


def _host_memory() -> int:
    """Bytes of the machine's memory, or the limit of its container."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def quantization_options(config: ExecutionConfig, dtype: torch.dtype) -> dict[str, Any]:
    """Keyword arguments of a transformer's `from_pretrained` for int8 and nf4 storage; empty for other storage.

    Raises:
        OnestoryError: M514 if the quantization package is not installed.
    """
    needed = {"int8": "torchao", "nf4": "bitsandbytes"}.get(config.storage)
    if needed is None:
        return {}
    if not find_spec(needed):
        raise OnestoryError(
            "M514",
            f"storage in {config.storage} needs the package {needed}, which is not installed",
            help=f"run `pip install {needed}`, or use `--quantise fp8`, which needs no package",
            exit=ExitCode.MACHINE,
        )
    if config.storage == "nf4":
        options: Any = diffusers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    else:
        from torchao.quantization import Int8WeightOnlyConfig

        options = diffusers.TorchAoConfig(Int8WeightOnlyConfig())
    return {"quantization_config": options}


def apply_execution(
    config: ExecutionConfig, device: torch.device, *, transformers: list[Any], encoders: list[nn.Module], vae: Any
) -> None:
    """Apply all options to loaded modules. Offloaded modules move to the CPU.

    Raises:
        OnestoryError: U606 for an attention kernel that diffusers cannot use here, or an impossible block cache.
    """
    for transformer in transformers:
        if config.storage == "fp8":
            transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=transformer.dtype)
        if config.attention:
            _set_attention(transformer, config.attention)
        if config.cache is not None:
            cache_blocks(transformer, config.cache)
        if config.compile_blocks:
            transformer.compile_repeated_blocks(fullgraph=True, dynamic=True)
    if config.vae_tiling:
        vae.enable_tiling()
    if device.type == "cuda" and config.offload == "model":
        _offload_models(device, [*encoders, *transformers])
    elif device.type == "cuda" and config.offload == "group":
        _offload_groups(device, transformers, encoders)


def _set_attention(transformer: Any, kernel: str) -> None:
    try:
        transformer.set_attention_backend(kernel)
    except (ValueError, RuntimeError, ImportError) as fault:
        reason = (str(fault).splitlines() or [type(fault).__name__])[0]
        raise OnestoryError(
            "U606",
            f'cannot use attention "{kernel}" here: {reason}',
            help="omit `--attention` to use torch's own kernel",
            exit=ExitCode.USAGE,
        ) from fault


def _offload_models(device: torch.device, modules: list[nn.Module]) -> None:
    """Move each module to the GPU when it is called, and the previous one back."""
    hook = None
    for module in modules:
        _, hook = cpu_offload_with_hook(module, device, prev_module_hook=hook)


def _offload_groups(device: torch.device, transformers: list[Any], encoders: list[nn.Module]) -> None:
    """Move two blocks at a time to the GPU; the next two are transferred in the background."""
    for transformer in transformers:
        transformer.enable_group_offload(
            onload_device=device, offload_type="block_level", num_blocks_per_group=2, use_stream=True
        )
    for encoder in encoders:
        diffusers.hooks.apply_group_offloading(
            encoder, onload_device=device, offload_device=_CPU, offload_type="leaf_level", use_stream=True
        )
