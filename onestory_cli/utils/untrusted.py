"""Read files of unknown origin: regular files only, of bounded size.

A path can name a FIFO or a device, which blocks or never ends, or a sparse file of terabytes. JSON can be nested too
deeply for the parser, and json then raises a RecursionError instead of a ValueError.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

MAX_JSON_BYTES = 4 * 2**20


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; never blocks on a FIFO or a device.

    Raises:
        ValueError: the path is not a regular file.
        OSError: the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise ValueError(f"{path.name} is not a regular file")


def read_limited(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes.

    Raises:
        ValueError: the path is not a regular file, or the file is larger.
        OSError: the file cannot be read.
    """
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"{path.name} is larger than {limit / 2**20:.0f} MiB")
    return data


def parse_json(data: bytes, name: str) -> Any:
    """The value of JSON text of unknown origin; `name` is used in messages.

    Raises:
        ValueError: the text is not valid JSON in UTF-8, or nested too deeply for the parser.
    """
    try:
        return json.loads(data.decode("utf-8"))
    except RecursionError as fault:
        raise ValueError(f"{name} is nested too deeply") from fault
    except UnicodeDecodeError as fault:
        raise ValueError(f"{name} is not UTF-8") from fault
    except json.JSONDecodeError as fault:
        raise ValueError(f"{name} is not valid JSON: {fault}") from fault


def read_json_map(path: Path, *, limit: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The JSON object in a file of unknown origin.

    Raises:
        ValueError: the file is not a regular file, too large, nested too deeply, or holds no JSON object.
        OSError: the file cannot be read.
    """
    value = parse_json(read_limited(path, limit), path.name)
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} does not hold a JSON object")
    return value
