"""Resident memory of this process, current and peak, in bytes."""

from __future__ import annotations

from pathlib import Path

STATUS = Path("/proc/self/status")


def resident_bytes() -> int:
    return _field("VmRSS")


def peak_bytes() -> int:
    """Peak since the start of this program; `getrusage` would include the parent process before exec."""
    return _field("VmHWM")


def _field(name: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
