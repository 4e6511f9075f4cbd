"""Files of unknown origin are read within bounds."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from onestory_cli.utils import untrusted
from onestory_cli.utils.untrusted import (
    file_sha256,
    open_regular,
    parse_yaml,
    read_json_map,
    read_limited,
    read_yaml,
)


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
        file.write(b"data")
        file.truncate(2**41)
    with pytest.raises(ValueError, match="sparse"):
        open_regular(tmp_path / "giant")


def test_a_file_is_read_where_the_system_cannot_find_holes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text("{}")
    monkeypatch.delattr(os, "SEEK_HOLE", raising=False)
    monkeypatch.setattr(untrusted, "MAX_HOLE_BYTES", 0)
    assert read_json_map(tmp_path / "a.json") == {}


def test_a_file_with_a_small_hole_is_read(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(2**20)
    assert file_sha256(tmp_path / "a") == (hashlib.sha256(bytes(2**20)).digest(), 2**20)
    with pytest.raises(ValueError, match="larger than 0 MiB"):
        read_limited(tmp_path / "a", 2**10)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &b [c]\nd: *b", "alias in line 2"),
        ("[" * 100 + "]" * 100, "nested too deeply"),
        ("1" + ":59" * 100, "more than 100 digits"),
        ("a: !!python/object/apply:os.system [id]", "not valid YAML"),
        ("a: [", "not valid YAML"),
    ],
)
def test_invalid_yaml_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_yaml(text, "recipe")


def test_yaml_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [1, b]\n")
    assert read_yaml(tmp_path / "a.yaml") == {"a": [1, "b"]}


@pytest.mark.parametrize("make", [lambda path: os.mkfifo(path), os.mkdir], ids=["pipe", "folder"])
def test_other_than_regular_files_are_refused_at_once(tmp_path: Path, make: object) -> None:
    make(tmp_path / "a.json")  # type: ignore[operator]
    with pytest.raises((ValueError, OSError)):
        read_json_map(tmp_path / "a.json")
