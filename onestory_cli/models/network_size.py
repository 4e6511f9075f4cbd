"""Refuse a network that is larger than its weights, before any memory is allocated for it.

A config states the sizes of a network; the libraries allocate what a config asks for and fill what the weights lack
with random numbers. Here the network is first built on torch's meta device, which stores no values, and the
construction stops when it exceeds what the weight files hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from onestory_cli.models.config_limits import excess
from onestory_cli.models.single_file import shapes_of_gguf
from onestory_cli.models.weights_header import TensorInfo, read_header
from onestory_cli.utils.untrusted import open_regular, read_json_map

MAX_EXTRA = 2**24  # elements of parts that a checkpoint may lack, such as a pooler: 64 MiB in float32
MAX_BUFFERS = 2**23  # elements of tables that are computed instead of stored; Wan's have 2**18
MAX_SETTINGS_BYTES = 64 * 2**20  # of a tokenizer or another file without weights; the largest has 33 MB
MAX_SIDE = 4096  # pixels that an image processor may scale a picture to; detectors use up to 1333
MAX_PIXELS = 2**25  # of processors that state a number of pixels instead of a side
_COUNTS_PIXELS = ("Qwen", "Glm")  # classes of such processors
_PACKED = 16  # weights of 4 bits that are stored as int32, twice for tied ones
_WEIGHTS = (".safetensors", ".gguf")


def require_size(folder: Path, build: Callable[[], object], *, weights: Path | None = None) -> None:
    """Refuse a network whose config asks for more than its weight files hold.

    Args:
        folder: its config.json, and its weights unless `weights` replaces them.
        build: constructs the network from that config; it is called on the meta device.
        weights: a single file with the weights.

    Raises:
        ValueError: the network is larger than its weights, or a file of the folder is too large or not a regular file.
        OSError: a file cannot be read.
    """
    require_settings(folder)
    tensors = _tensors([weights] if weights else sorted(folder.glob("*.safetensors")))
    config = read_json_map(folder / "config.json")
    if why := excess(config, tensors):
        raise ValueError(f"config.json: {why}")
    elements = sum(math.prod(info.shape) for info in tensors.values())
    factor = _PACKED if "quantization_config" in config else 2  # tied weights are stored once and built twice
    with torch.device("meta"), _limited(factor * elements + MAX_EXTRA, 8 * len(tensors) + 10_000):
        build()


def require_settings(folder: Path) -> None:
    """Refuse files without weights in a folder that block a reader, are too large or scale pictures beyond all sizes.

    Raises:
        ValueError: names the file.
        OSError: a file cannot be read.
    """
    for file in sorted(folder.iterdir()):
        if file.suffix in _WEIGHTS or file.is_dir():
            continue
        with open_regular(file) as opened:
            if opened.seek(0, 2) > MAX_SETTINGS_BYTES:
                raise ValueError(f"{file.name} is larger than {MAX_SETTINGS_BYTES // 2**20} MiB")
    for name in ("preprocessor_config.json", "processor_config.json"):
        if (folder / name).is_file():
            _require_picture_size(name, read_json_map(folder / name))


def _require_picture_size(name: str, settings: Mapping[str, Any]) -> None:
    nested = settings.get("image_processor")
    settings = {**settings, **(nested if isinstance(nested, Mapping) else {})}
    limit = MAX_PIXELS if str(settings.get("image_processor_type")).startswith(_COUNTS_PIXELS) else MAX_SIDE
    for key in ("size", "crop_size", "pad_size", "max_pixels"):
        value = settings.get(key)
        sides = value.values() if isinstance(value, Mapping) else [value]
        if any(side > limit for side in sides if isinstance(side, int | float)):
            raise ValueError(f"{name}: {key} is larger than {limit} pixels")


def _tensors(files: list[Path]) -> dict[str, TensorInfo]:
    found: dict[str, TensorInfo] = {}
    for file in files:
        if file.suffix == ".gguf":
            found |= {name: TensorInfo(dtype="GGUF", shape=shape) for name, shape in shapes_of_gguf(file).items()}
        else:
            found |= read_header(file).tensors
    return found


@contextmanager
def _limited(elements: int, modules: int) -> Iterator[None]:
    """Within, constructing modules raises ValueError as soon as they have more elements or parts than this."""
    left = {"parameters": elements, "buffers": MAX_BUFFERS, "modules": modules}

    def spend(kind: str, amount: int) -> None:
        left[kind] -= amount
        if left[kind] < 0:
            raise ValueError(f"config.json describes a network with more {kind} than its weights can fill")

    def parameter(_module: nn.Module, _name: str, value: nn.Parameter | None) -> None:
        spend("parameters", 0 if value is None else value.numel())

    def buffer(_module: nn.Module, _name: str, value: Tensor | None) -> None:
        spend("buffers", 0 if value is None else value.numel())

    def module(_module: nn.Module, _name: str, _value: nn.Module | None) -> None:
        spend("modules", 1)

    with ExitStack() as stack:
        stack.enter_context(hooks.register_module_parameter_registration_hook(parameter))
        stack.enter_context(hooks.register_module_buffer_registration_hook(buffer))
        stack.enter_context(hooks.register_module_module_registration_hook(module))
        yield
