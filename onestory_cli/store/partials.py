"""partial.safetensors: the work on a take that was cut off, beside where the take will lie.

The file is sealed as records are: its header holds the key of the take that it is for, and a digest of all it says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.partial import Partial
from onestory_cli.store.sealed import BrokenSeal, canonical

if TYPE_CHECKING:
    import numpy as np

PARTIAL = "partial.safetensors"
FORMAT = "1"
HEAD = 8  # bytes before the header of a safetensors file: the header's length


@dataclass(frozen=True, kw_only=True)
class KeptPartial:
    """A whole partial on disk: for the take of `key`, after `step` of `steps`."""

    path: Path
    key: str
    step: int
    steps: int

    def __str__(self) -> str:
        if self.step == self.steps:
            return f"goes on after step {self.step} of {self.steps}"
        return f"goes on at step {self.step + 1} of {self.steps}"


def write_partial(key: str, partial: Partial) -> bytes:
    """The bytes of a partial for the take of `key` (64 digits)."""
    import numpy as np
    from safetensors.numpy import save

    # not ascontiguousarray: it gives a single number a dimension
    arrays = {name: np.array(array, order="C") for name, array in partial.arrays.items()}
    facts = {
        "format": FORMAT,
        "key": key,
        "identity": partial.identity,
        "step": str(partial.step),
        "steps": str(partial.steps),
    }
    data: bytes = save(arrays, metadata={**facts, "seal": _seal_of(facts, arrays)})
    return data


def read_partial(path: Path) -> tuple[KeptPartial, Partial]:
    """What `write_partial` wrote.

    Raises:
        BrokenSeal: it is not whole, or another version wrote it.
        OSError: it cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    data = path.read_bytes()
    try:
        facts: dict[str, str] = json.loads(data[HEAD : HEAD + int.from_bytes(data[:HEAD], "little")])["__metadata__"]
        arrays = load(data)
        seal = facts.pop("seal")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, SafetensorError) as fault:
        raise BrokenSeal("it is not the file that was written") from fault
    if seal != _seal_of(facts, arrays):
        raise BrokenSeal("its bytes were changed")
    if facts["format"] != FORMAT:
        raise BrokenSeal("another version of onestory wrote it")
    step, steps = int(facts["step"]), int(facts["steps"])
    kept = KeptPartial(path=path, key=facts["key"], step=step, steps=steps)
    return kept, Partial(identity=facts["identity"], step=step, steps=steps, arrays=arrays)


def _seal_of(facts: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(canonical(dict(facts)))
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
