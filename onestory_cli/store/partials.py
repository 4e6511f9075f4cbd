"""partial.safetensors: the unfinished work on a take, in the folder where the take will be.

The header has the key of that take and a checksum of the whole file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onestory_cli.checkpoint import Partial
from onestory_cli.store.checksummed_json import DamagedFileError
from onestory_cli.store.tensors import read_arrays, write_arrays

FORMAT = "1"


@dataclass(frozen=True, kw_only=True)
class KeptPartial:
    """A valid partial on disk, for the take of `key`, after `step` of `steps`."""

    path: Path
    key: str
    step: int
    steps: int

    def __str__(self) -> str:
        if self.step == self.steps:
            return f"resumes after step {self.step} of {self.steps}"
        return f"resumes at step {self.step + 1} of {self.steps}"


def write_partial(key: str, partial: Partial) -> bytes:
    """The bytes of a partial for the take of `key` (64 digits)."""
    facts = {
        "format": FORMAT,
        "key": key,
        "identity": partial.identity,
        "step": str(partial.step),
        "steps": str(partial.steps),
    }
    return write_arrays(facts, partial.arrays)


def read_partial(path: Path) -> tuple[KeptPartial, Partial]:
    """What `write_partial` wrote.

    Raises:
        DamagedFileError: it is damaged, or another version wrote it.
        FileNotFoundError: there is no such file.
        OnestoryError: R408 if it exists but cannot be read.
    """
    facts, arrays = read_arrays(path)
    if facts.get("format") != FORMAT:
        raise DamagedFileError("written by another version of onestory")
    try:
        step, steps = int(facts["step"]), int(facts["steps"])
        key, identity = str(facts["key"]), facts["identity"]
    except (KeyError, ValueError, TypeError) as fault:
        raise DamagedFileError("its header does not name a take and a step") from fault
    kept = KeptPartial(path=path, key=key, step=step, steps=steps)
    return kept, Partial(identity=identity, step=step, steps=steps, arrays=arrays)
