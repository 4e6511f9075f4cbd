"""Arrays in a safetensors file that knows whether it is whole: its header holds facts and a digest of all it says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.store.checksummed_json import DamagedFileError, canonical

if TYPE_CHECKING:
    import numpy as np

ENTRY = "onestory"
HEAD = 8  # bytes before the header of a safetensors file: the header's length


def write_arrays(facts: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of a sealed file."""
    import numpy as np
    from safetensors.numpy import save

    # not ascontiguousarray: it gives a single number a dimension
    ordered = {name: np.array(array, order="C") for name, array in arrays.items()}
    # one entry: of several, safetensors writes them in an order that changes from time to time
    header = canonical({**facts, "seal": _seal_of(facts, ordered)}).decode()
    data: bytes = save(ordered, metadata={ENTRY: header})
    return data


def read_arrays(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """The facts and the arrays that `write_arrays` wrote.

    Raises:
        BrokenSeal: it is not whole.
        OSError: it cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if path.exists() and not path.is_file():  # a pipe or a device would be read for ever
        raise DamagedFileError("it is not a file")
    data = path.read_bytes()
    try:
        header = json.loads(data[HEAD : HEAD + int.from_bytes(data[:HEAD], "little")])
        facts: dict[str, str] = json.loads(header["__metadata__"][ENTRY])
        arrays: dict[str, np.ndarray] = load(data)
        dump_checksummed = facts.pop("seal")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, SafetensorError) as fault:
        raise DamagedFileError("it is not the file that was written") from fault
    if dump_checksummed != _seal_of(facts, arrays):
        raise DamagedFileError("its bytes were changed")
    return facts, arrays


def _seal_of(facts: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(canonical(dict(facts)))
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
