"""Every function that opens a file of unknown origin refuses files that block, never end, nest deeply or hold junk."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onestory_cli.errors import OnestoryError
from tests.security.doors import DOORS, UNCODED

MAX_SECONDS = 2
GIANT = 2**41  # bytes, none of them on the disk

FILES: dict[str, Callable[[Path], object]] = {
    "pipe": lambda path: os.mkfifo(path),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": os.mkdir,
    "giant": lambda path: (path.touch(), os.truncate(path, GIANT)),
    "deep": lambda path: path.write_text("[" * 10**6),
    "deep map": lambda path: path.write_text('{"a":' * 10**5),
    "null": lambda path: path.write_text("null\n"),
    "number": lambda path: path.write_text("3"),
    "list": lambda path: path.write_text('[["a"], 1]'),
    "map": lambda path: path.write_text('{"accepted": 1, "weight_map": [1], "selector": 0, "license": [1]}'),
    "long number": lambda path: path.write_text("1" + ":59" * 10**5),
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 40),
    "no end": lambda path: path.write_bytes((2**40).to_bytes(8, "little") + b"{"),
}


@pytest.fixture
def time_limit() -> Iterator[None]:
    """Fail a test that takes longer than MAX_SECONDS, even if it waits for a pipe."""

    def stop(number: int, frame: object) -> None:
        raise AssertionError(f"it took more than {MAX_SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("time_limit")
@pytest.mark.parametrize("door", DOORS)
def test_no_file_blocks_or_breaks_a_reader(door: str, tmp_path: Path) -> None:
    name, read = DOORS[door]
    uncoded = {}
    for kind, make in FILES.items():
        folder = tmp_path / kind
        folder.mkdir()
        make(folder / name)
        signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
        try:
            read(folder / name)
        except OnestoryError:
            pass
        except (ValueError, OSError) as fault:
            uncoded[kind] = str(fault)[:200]
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert uncoded == {} or door in UNCODED
