"""Mark exported files, so that `--force` replaces only what an earlier export wrote.

Each format carries the mark where its readers ignore it. SubRip has no such place: its files are recognised by form.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zlib
from pathlib import Path

MARK = b"onestory export"
_READ = 4096  # the mark is this close to the beginning or the end of a file
_SRT = re.compile(rb"1\r?\n\d\d+:\d\d:\d\d,\d{3} --> \d\d+:\d\d:\d\d,\d{3}\r?\n")


def mark_mp4(path: Path) -> None:
    """Append a box that readers skip (ISO/IEC 14496-12, 8.1.2), for MP4 and QuickTime."""
    _append(path, (8 + len(MARK)).to_bytes(4, "big") + b"free" + MARK)


def mark_gif(path: Path) -> None:
    """Put a comment extension (GIF89a, 24) before the trailer."""
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x21\xfe" + bytes([len(MARK)]) + MARK + b"\x00\x3b")


def mark_webp(path: Path) -> None:
    """Append a RIFF chunk of a type that readers ignore."""
    _append(path, b"ONST" + len(MARK).to_bytes(4, "little") + MARK + bytes(len(MARK) % 2))
    with path.open("r+b") as file:
        file.seek(4)
        file.write((path.stat().st_size - 8).to_bytes(4, "little"))


def with_software(png: bytes, name: bytes) -> bytes:
    """Return a PNG with a text chunk that names its software, after the header, which always has 33 bytes."""
    chunk = b"tEXtSoftware\x00" + name
    return png[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]


def is_export(path: Path) -> bool:
    """Whether an export wrote this file, or every file in this folder. Links are never followed."""
    kind = path.lstat().st_mode
    if stat.S_ISDIR(kind):
        return all(is_export(item) for item in path.iterdir())
    if not stat.S_ISREG(kind):
        return False
    with path.open("rb") as file:
        start = file.read(_READ)
        file.seek(max(0, path.stat().st_size - _READ))
        return MARK in start + file.read(_READ) or _SRT.match(start) is not None


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
