"""Safetensors files that contain a checksum: the header holds facts about the arrays and a digest of everything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.store.checksummed_json import DamagedFileError, canonical
from onestory_cli.store.disk import read_errors_coded
from onestory_cli.utils.untrusted import read_limited

if TYPE_CHECKING:
    import numpy as np

METADATA_KEY = "onestory"
MAX_BYTES = 160 * 2**20  # the largest partial, of five latents of 81 frames of 1280x720, has about 100 MB
MAX_HEADER_BYTES = 2**20
HEADER_LENGTH_BYTES = 8  # a safetensors file begins with the length of its header


def write_arrays(facts: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of a file with `arrays`, `facts` and a checksum of both."""
    import numpy as np
    from safetensors.numpy import save

    # not ascontiguousarray: it gives a scalar a dimension
    ordered = {name: np.array(array, order="C") for name, array in arrays.items()}
    # one entry: safetensors writes several in an order that varies
    header = canonical({**facts, "seal": _checksum(facts, ordered)}).decode()
    data: bytes = save(ordered, metadata={METADATA_KEY: header})
    return data


def read_arrays(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """The facts and arrays that `write_arrays` wrote.

    Raises:
        DamagedFileError: the content does not match its checksum.
        FileNotFoundError: there is no such file.
        OnestoryError: R408 if it exists but cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    with read_errors_coded(path):
        try:
            data = read_limited(path, MAX_BYTES)
        except ValueError as fault:
            raise DamagedFileError(str(fault)) from fault
    try:
        end = HEADER_LENGTH_BYTES + int.from_bytes(data[:HEADER_LENGTH_BYTES], "little")
        if end > MAX_HEADER_BYTES:
            raise ValueError("its header is too large")
        text = data[HEADER_LENGTH_BYTES:end]
        if any(byte in text for byte in b"\t\n\r"):  # safetensors pads with spaces; other white space is damage
            raise DamagedFileError("checksum mismatch")
        header = json.loads(text)
        facts: dict[str, str] = json.loads(header["__metadata__"][METADATA_KEY])
        arrays: dict[str, np.ndarray] = load(data)
        checksum = facts.pop("seal")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, SafetensorError) as fault:
        raise DamagedFileError("not a safetensors file with a checksum") from fault
    if checksum != _checksum(facts, arrays):
        raise DamagedFileError("checksum mismatch")
    return facts, arrays


def _checksum(facts: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(canonical(dict(facts)))
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.data.cast("B") if array.size else b"")
    return digest.hexdigest()
