"""Safetensors files that contain a checksum: the header holds facts about the arrays and a digest of everything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.store.checksummed_json import DamagedFileError, canonical

if TYPE_CHECKING:
    import numpy as np

METADATA_KEY = "onestory"
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
        OSError: it cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if path.exists() and not path.is_file():  # reading a pipe or a device may never end
        raise DamagedFileError("not a regular file")
    data = path.read_bytes()
    try:
        end = HEADER_LENGTH_BYTES + int.from_bytes(data[:HEADER_LENGTH_BYTES], "little")
        header = json.loads(data[HEADER_LENGTH_BYTES:end])
        facts: dict[str, str] = json.loads(header["__metadata__"][METADATA_KEY])
        arrays: dict[str, np.ndarray] = load(data)
        checksum = facts.pop("seal")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, SafetensorError) as fault:
        raise DamagedFileError("not a safetensors file with a checksum") from fault
    if checksum != _checksum(facts, arrays):
        raise DamagedFileError("checksum mismatch")
    return facts, arrays


def _checksum(facts: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(canonical(dict(facts)))
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
