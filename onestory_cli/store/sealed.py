"""JSON that knows whether it is whole: the document holds a digest of everything else in it, its seal."""

from __future__ import annotations

import hashlib
import json
from typing import Any


class BrokenSeal(ValueError):
    """The bytes are not the document that was written."""


def canonical(document: Any) -> bytes:
    """One spelling for one value: keys in order, no spaces. Digests are taken over this."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def seal(document: dict[str, Any]) -> bytes:
    """The document as readable JSON with its seal as the last key."""
    return json.dumps({**document, "seal": _seal_of(document)}, indent=1, allow_nan=False).encode() + b"\n"


def unseal(data: bytes) -> dict[str, Any]:
    """The document that was sealed.

    Raises:
        BrokenSeal: any byte that matters was changed or is missing.
    """
    try:
        document: dict[str, Any] = json.loads(data)
        found = document.pop("seal")
    except (ValueError, KeyError, AttributeError, TypeError) as fault:
        raise BrokenSeal("it is not the JSON that was written") from fault
    if found != _seal_of(document):
        raise BrokenSeal("its bytes were changed")
    return document


def _seal_of(document: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(document)).hexdigest()
