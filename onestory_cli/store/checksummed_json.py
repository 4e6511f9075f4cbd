"""JSON that knows whether it is whole: the document holds a digest of everything else in it, its seal."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

MAX_BYTES = 64 * 1024 * 1024


class DamagedFileError(ValueError):
    """The bytes are not the document that was written."""


def canonical(document: Any) -> bytes:
    """One spelling for one value: keys in order, no spaces. Digests are taken over this."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def dump_checksummed(document: dict[str, Any]) -> bytes:
    """The document as readable JSON with its seal as the last key."""
    return json.dumps({**document, "seal": _seal_of(document)}, indent=1, allow_nan=False).encode() + b"\n"


def read_document(path: Path) -> bytes:
    """The bytes of a document's file.

    Raises:
        BrokenSeal: it is a pipe or a device, which would be read for ever, or larger than any document.
        OSError: it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise DamagedFileError("it is not a file")
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise DamagedFileError("it is larger than any document")
    return data


def load_checksummed(data: bytes) -> dict[str, Any]:
    """The document that was sealed.

    Raises:
        BrokenSeal: any byte that matters was changed or is missing.
    """
    try:
        document: dict[str, Any] = json.loads(data)
        found, expected = document.pop("seal"), _seal_of(document)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as fault:
        raise DamagedFileError("it is not the JSON that was written") from fault
    if found != expected:
        raise DamagedFileError("its bytes were changed")
    return document


def _seal_of(document: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(document)).hexdigest()
