"""Files of unknown origin are read within bounds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from onestory_cli.utils.untrusted import read_json_map, read_limited


def test_a_json_object_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x": [1]}')
    assert read_json_map(tmp_path / "a.json") == {"x": [1]}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[]", "does not hold a JSON object"),
        (b"{", "not valid JSON"),
        (b"\xff", "not UTF-8"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_invalid_json_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(ValueError, match=reason):
        read_json_map(tmp_path / "a.json")


def test_a_sparse_giant_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "giant").open("wb") as file:
        file.truncate(2**41)
    with pytest.raises(ValueError, match="larger than 1 MiB"):
        read_limited(tmp_path / "giant", 2**20)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_other_than_regular_files_are_refused_at_once(tmp_path: Path, make: object) -> None:
    make(tmp_path / "a.json")  # type: ignore[operator]
    with pytest.raises((ValueError, OSError)):
        read_json_map(tmp_path / "a.json")
