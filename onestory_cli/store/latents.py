"""Latents files of takes: one tensor, float32 latents or the uint8 pictures that an external model remembers."""

from __future__ import annotations

import hashlib
import json
import math
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.store.checksummed_json import DamagedFileError
from onestory_cli.store.disk import changed_in_use, read_errors_coded, read_verified
from onestory_cli.store.tensors import HEADER_LENGTH_BYTES
from onestory_cli.utils.untrusted import open_regular

if TYPE_CHECKING:
    import numpy as np

TENSOR = "latents"
PICTURE_DTYPE = "U8"  # of the pictures that an external model remembers: (3, T, H, W)
MAP_BYTES = 2**20  # latents of at least this size are mapped; 81 frames of 832x480 have 8.4 MB
_MAX_HEADER = 4096  # bytes; the header of one tensor has about 80


@dataclass(frozen=True, kw_only=True)
class LatentsHeader:
    """The header of a latents file: the type, shape (C, T, h, w) and bytes of its tensor, and where it begins."""

    dtype: str
    shape: tuple[int, int, int, int]
    nbytes: int
    offset: int


def read_header(path: Path) -> LatentsHeader:
    """The header of a latents file, which must consist of one tensor: float32, or bytes for pictures.

    Raises:
        DamagedFileError: the file is something else. Its digest may match a record all the same, if that is forged.
        OSError: it cannot be read.
    """
    try:
        with open_regular(path) as file:
            length = int.from_bytes(file.read(HEADER_LENGTH_BYTES), "little")
            text = file.read(min(length, _MAX_HEADER))
        header = json.loads(text)
        channels, frames, height, width = shape = tuple(header[TENSOR]["shape"])
        dtype = header[TENSOR].get("dtype")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        raise DamagedFileError("it does not contain latents") from fault
    if not all(type(size) is int and size > 0 for size in shape):
        raise DamagedFileError("it does not contain latents")
    size = math.prod(shape) * (1 if dtype == PICTURE_DTYPE else 4)
    expected = {"dtype": dtype, "shape": list(shape), "data_offsets": [0, size]}
    if dtype not in ("F32", PICTURE_DTYPE) or header != {TENSOR: expected}:
        raise DamagedFileError("it contains something other than latents")
    offset = HEADER_LENGTH_BYTES + length
    if path.stat().st_size != offset + size:
        raise DamagedFileError("its size does not match its header")
    return LatentsHeader(dtype=dtype, shape=(channels, frames, height, width), nbytes=size, offset=offset)


def write_latents(latents_CTHW: np.ndarray) -> bytes:
    """The bytes of a latents file: one tensor without metadata, so that equal latents have equal digests.

    Latents are float32; the pictures of an external model are uint8.
    """
    import numpy as np
    from safetensors.numpy import save

    if latents_CTHW.dtype == np.uint8:
        return _write_pictures(np.ascontiguousarray(latents_CTHW))
    data: bytes = save({TENSOR: np.ascontiguousarray(latents_CTHW, dtype=np.float32)})
    return data


def _write_pictures(pictures_CTHW: np.ndarray) -> bytes:
    """As `safetensors.numpy.save`, which copies the pictures of a shot three times."""
    shape, size = list(pictures_CTHW.shape), pictures_CTHW.size
    entry = {"dtype": PICTURE_DTYPE, "shape": shape, "data_offsets": [0, size]}
    header = json.dumps({TENSOR: entry}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % HEADER_LENGTH_BYTES)
    return b"".join([len(header).to_bytes(HEADER_LENGTH_BYTES, "little"), header, pictures_CTHW.data])


def read_latents(path: Path, expected: str) -> np.ndarray:
    """The latents (C, T, h, w) from a file with the digest `expected`: float32, or uint8 pictures.

    Large latents are a memory map, because those of a long film do not fit into memory. Changes to the array are not
    written to the file. `unload` frees the pages that were used.

    Raises:
        OnestoryError: R406 if the file has another digest; R408 if it cannot be read.
    """
    import numpy as np

    try:
        with read_errors_coded(path):
            header = read_header(path)
            if header.nbytes < MAP_BYTES:
                return parse_latents(read_verified(path, expected))
            with open_regular(path) as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                    raise changed_in_use(path)
                dtype = np.uint8 if header.dtype == PICTURE_DTYPE else np.float32
                # copy on write, not read-only: torch warns about arrays that it cannot write to
                return np.memmap(file, dtype, "c", offset=header.offset, shape=header.shape)
    except (FileNotFoundError, NotADirectoryError, ValueError) as fault:
        raise changed_in_use(path) from fault


def parse_latents(data: bytes) -> np.ndarray:
    """The latents (C, T, h, w) from the bytes of a latents file, in memory. Pictures are not copied."""
    import numpy as np
    from safetensors.numpy import load

    offset = HEADER_LENGTH_BYTES + int.from_bytes(data[:HEADER_LENGTH_BYTES], "little")
    entry = json.loads(data[HEADER_LENGTH_BYTES:offset])[TENSOR]
    if entry["dtype"] == PICTURE_DTYPE:
        return np.frombuffer(data, np.uint8, offset=offset).reshape(entry["shape"])
    latents_CTHW: np.ndarray = load(data)[TENSOR]
    return latents_CTHW


def can_map(latents_CTHW: np.ndarray) -> bool:
    """Whether latents are in memory although `read_latents` would map them."""
    return latents_CTHW.nbytes >= MAP_BYTES and not _is_mapped(latents_CTHW)


def unload(latents_CTHW: np.ndarray) -> None:
    """Free the memory of mapped latents; they are read from the disk again when they are used."""
    if _is_mapped(latents_CTHW) and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
        latents_CTHW._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def _is_mapped(latents_CTHW: np.ndarray) -> bool:
    import numpy as np

    return isinstance(latents_CTHW, np.memmap)
