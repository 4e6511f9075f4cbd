"""Resident memory of this process, now and at most, in bytes."""

from __future__ import annotations

from pathlib import Path

STATUS = Path("/proc/self/status")


def resident_bytes() -> int:
    return _field("VmRSS")


def peak_bytes() -> int:
    """The most since this program began; `getrusage` would count that of the process that started it too."""
    return _field("VmHWM")


def _field(name: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
