"""Read the header of a safetensors file of unknown origin: names, shapes and metadata, without the weights."""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onestory_cli.utils.untrusted import open_regular, parse_json

MAX_HEADER_BYTES = 32 * 2**20  # the header of the largest Wan file is below 1 MiB
MAX_DIMENSIONS = 8
_METADATA = "__metadata__"
_ITEM_BYTES = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "I8", "U8", "BOOL"), 1),
}


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """Dtype (F32, BF16, F8_E4M3, ...) and shape of one stored tensor."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class WeightsHeader:
    """All tensors of a file by name, and its metadata."""

    tensors: dict[str, TensorInfo]
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor."""
        return {name: info.shape for name, info in self.tensors.items()}


def read_header(path: Path) -> WeightsHeader:
    """The validated header of a safetensors file.

    Raises:
        ValueError: the file is not a safetensors file (a web page, a Git LFS pointer, a damaged or cut-off file).
        OSError: the file cannot be read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(512)
        _refuse_other_files(start)
        if size < 8:
            raise ValueError("it is too short for a safetensors file")
        (length,) = struct.unpack("<Q", start[:8])
        if length > MAX_HEADER_BYTES:
            raise ValueError("it is not a safetensors file: its header would be larger than 32 MiB")
        if 8 + length > size:
            raise ValueError("it is cut off in its header")
        file.seek(8)
        header = parse_json(file.read(length), "its header")
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object")
    tensors = {name: _tensor(name, entry, size - 8 - length) for name, entry in header.items() if name != _METADATA}
    _refuse_other_size(header, tensors, size - 8 - length)
    metadata = header.get(_METADATA) or {}
    if not isinstance(metadata, dict):
        raise ValueError("its metadata are not a JSON object")
    return WeightsHeader(tensors=tensors, metadata={str(key): str(value) for key, value in metadata.items()})


def _refuse_other_size(header: dict[str, Any], tensors: dict[str, TensorInfo], data_bytes: int) -> None:
    """Refuse data that belong to no tensor, as the safetensors library does."""
    used = max((header[name]["data_offsets"][1] for name in tensors), default=0)
    if used != data_bytes:
        raise ValueError(f"it has {data_bytes - used} bytes after its last tensor")


def _refuse_other_files(start: bytes) -> None:
    text = start.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        raise ValueError("it is a web page, not weights; download the file itself")
    if start.startswith(b"version https://git-lfs.github.com"):
        raise ValueError("it is a Git LFS pointer, not weights; run `git lfs pull` in its folder")


def _tensor(name: str, entry: Any, data_bytes: int) -> TensorInfo:
    """One entry of the header; its data must lie within the file."""
    label = f'"{name[:80]}"'
    if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str):
        raise ValueError(f"its entry for {label} is invalid")
    shape, offsets = _whole_numbers(entry.get("shape")), _whole_numbers(entry.get("data_offsets"))
    if shape is None or len(shape) > MAX_DIMENSIONS:
        raise ValueError(f"its shape of {label} is invalid")
    if offsets is None or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"its offsets of {label} are invalid")
    if offsets[1] > data_bytes:
        raise ValueError(f"it is cut off: {label} is beyond its end")
    stored = math.prod(shape) * _ITEM_BYTES.get(entry["dtype"], 0)  # 0: packed or unknown types are not checked
    if stored not in (0, offsets[1] - offsets[0]):
        raise ValueError(f"the size of {label} does not match its shape")
    return TensorInfo(dtype=entry["dtype"], shape=shape)


def _whole_numbers(value: Any) -> tuple[int, ...] | None:
    """The numbers of a JSON list; None for any other value."""
    if isinstance(value, list) and all(type(item) is int and 0 <= item < 2**53 for item in value):
        return tuple(value)
    return None
