"""Read files of unknown origin: regular files only, of bounded size.

A path can name a FIFO or a device, which blocks or never ends, or a sparse file of terabytes. JSON and YAML can be
nested too deeply for the parser, which then raises a RecursionError, and an alias in YAML can stand for gigabytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

from onestory_cli.utils.system import open_flags

MAX_JSON_BYTES = 4 * 2**20
MAX_TEXT_BYTES = 4 * 2**20
MAX_YAML_BYTES = 2**20
MAX_YAML_DEPTH = 50
_LONG_NUMBER = re.compile(r"[-+.:_0-9a-fA-Fx]{100,}")  # 1:59:59 is a number in YAML, in time quadratic in its length
MAX_HOLE_BYTES = 2**30  # reading this many zeros takes about a second
_OPENING = open_flags("O_RDONLY", "O_CLOEXEC", "O_NONBLOCK")


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; never blocks on a FIFO or a device.

    Raises:
        ValueError: the path is not a regular file, or it has more than a GiB of holes.
        OSError: the file cannot be opened.
    """
    descriptor = os.open(path, _OPENING)
    file = os.fdopen(descriptor, "rb") if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    if file is None:
        os.close(descriptor)
        raise ValueError(f"{path.name} is not a regular file")
    if _has_large_holes(descriptor):
        file.close()
        raise ValueError(f"{path.name} is a sparse file: most of its bytes are not on the disk")
    return file


def _has_large_holes(descriptor: int) -> bool:
    """Whether a file has more than MAX_HOLE_BYTES without data. A copy of real weights or videos has no such holes."""
    if not hasattr(os, "SEEK_HOLE"):  # Windows
        return False
    size, at, holes = os.fstat(descriptor).st_size, 0, 0
    try:
        while size > MAX_HOLE_BYTES >= holes and at < size:
            start = os.lseek(descriptor, at, os.SEEK_HOLE)
            at = _next_data(descriptor, start, size)
            holes += at - start
    except OSError:  # the file system cannot tell
        return False
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    return holes > MAX_HOLE_BYTES


def _next_data(descriptor: int, start: int, size: int) -> int:
    """The place of the first data at or after `start`; `size` if there is none."""
    try:
        return os.lseek(descriptor, start, os.SEEK_DATA)
    except OSError:
        return size


def file_sha256(path: Path) -> tuple[bytes, int]:
    """The SHA-256 and the size of a regular file.

    Raises:
        ValueError: the path is not a regular file, or it has more than a GiB of holes.
        OSError: the file cannot be read.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").digest(), file.tell()


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
        return json.loads(data.decode("utf-8-sig"))
    except RecursionError as fault:
        raise ValueError(f"{name} is nested too deeply") from fault
    except UnicodeDecodeError as fault:
        raise ValueError(f"{name} is not UTF-8") from fault
    except json.JSONDecodeError as fault:
        raise ValueError(f"{name} is not valid JSON: {fault}") from fault


def read_text(path: Path, *, limit: int = MAX_TEXT_BYTES) -> str:
    """The text of a UTF-8 file of unknown origin, without a byte order mark.

    Raises:
        ValueError: the file is not a regular file, too large, or not UTF-8.
        OSError: the file cannot be read.
    """
    try:
        return read_limited(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise ValueError(f"{path.name} is not UTF-8") from fault


def read_json(path: Path, *, limit: int = MAX_JSON_BYTES) -> Any:
    """The value in a JSON file of unknown origin.

    Raises:
        ValueError: the file is not a regular file, too large, nested too deeply, or not JSON.
        OSError: the file cannot be read.
    """
    return parse_json(read_limited(path, limit), path.name)


def parse_yaml(text: str, name: str) -> Any:
    """The value of YAML text of unknown origin, without tags, anchors and aliases; `name` is used in messages.

    Raises:
        ValueError: the text is not such YAML, or nested too deeply.
    """
    import yaml  # slow to import

    loader, depth = getattr(yaml, "CSafeLoader", yaml.SafeLoader), 0
    try:
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1 if event.start_mark else 0
                raise ValueError(f"{name} has an alias in line {line}; write the value again")
            if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and _LONG_NUMBER.fullmatch(event.value):
                raise ValueError(f"{name} has a number of more than 100 digits")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_YAML_DEPTH:
                raise ValueError(f"{name} is nested too deeply")
        return yaml.load(text, Loader=loader)
    except (yaml.YAMLError, RecursionError) as fault:
        raise ValueError(f"{name} is not valid YAML: {fault}") from fault


def read_yaml(path: Path, *, limit: int = MAX_YAML_BYTES) -> Any:
    """The value in a YAML file of unknown origin.

    Raises:
        ValueError: as `parse_yaml` and `read_text`.
        OSError: the file cannot be read.
    """
    return parse_yaml(read_text(path, limit=limit), path.name)


def read_json_map(path: Path, *, limit: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The JSON object in a file of unknown origin.

    Raises:
        ValueError: the file is not a regular file, too large, nested too deeply, or holds no JSON object.
        OSError: the file cannot be read.
    """
    value = read_json(path, limit=limit)
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} does not hold a JSON object")
    return value
