"""JSON documents that contain a checksum of their own content, under the key "seal"."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from onestory_cli.store.disk import read_errors_coded
from onestory_cli.utils.untrusted import read_limited

MAX_BYTES = 32 * 2**20
MAX_LINES = 400_000  # 5000 shots have about 100,000; parsing this many takes a second and 100 MB
_TEXT = rb'"(?:[^"\\\n]|\\.)*+"'
_LINE = re.compile(rb" *+(?:%b: )?(?:%b|[-+.\w]++|[\[{][\]}]?|[\]}]),?\n" % (_TEXT, _TEXT))


class DamagedFileError(ValueError):
    """A file of the store does not have the content that was written."""


def canonical(document: Any) -> bytes:
    """JSON with sorted keys and no spaces, so that equal values have equal bytes. Digests are taken over this."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def dump_checksummed(document: dict[str, Any]) -> bytes:
    """The document as indented JSON, with its checksum as the last key."""
    return json.dumps({**document, "seal": _checksum(document)}, indent=1, allow_nan=False).encode() + b"\n"


def read_document(path: Path) -> bytes:
    """The bytes of a document's file.

    Raises:
        DamagedFileError: it is not a regular file, or larger than 32 MiB.
        FileNotFoundError: there is no such file.
        OnestoryError: R408 if it exists but cannot be read.
    """
    with read_errors_coded(path):
        try:
            return read_limited(path, MAX_BYTES)
        except ValueError as fault:
            raise DamagedFileError(str(fault)) from fault


def load_checksummed(data: bytes) -> dict[str, Any]:
    """The document that `dump_checksummed` wrote, without its checksum.

    Raises:
        DamagedFileError: it is not such JSON, or its content does not match its checksum.
    """
    if not _has_layout(data):
        raise DamagedFileError("not valid JSON with a checksum")
    try:
        document: dict[str, Any] = json.loads(data)
        found, expected = document.pop("seal"), _checksum(document)
        as_written = dump_checksummed(document)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as fault:
        raise DamagedFileError("not valid JSON with a checksum") from fault
    if found != expected or data != as_written:  # the latter finds changed white space too
        raise DamagedFileError("checksum mismatch")
    return document


def _has_layout(data: bytes) -> bool:
    """Whether there is one value on each line, as `dump_checksummed` writes it, and not too many.

    Forged text of the same size without line breaks could hold millions of values, which take gigabytes.
    """
    return data.count(b"\n") <= MAX_LINES and all(map(_LINE.fullmatch, data.splitlines(keepends=True)))


def _checksum(document: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(document)).hexdigest()
