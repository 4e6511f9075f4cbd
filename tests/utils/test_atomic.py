"""Atomic writes: the old content or the new, never a part."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from onestory_cli.utils.atomic import pending_path, replacing, write_atomic


def test_write_atomic_replaces_a_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    write_atomic(file, b"one")
    write_atomic(file, b"two")
    assert file.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["result.json"]


def test_a_failed_write_keeps_the_old_content(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_bytes(b"old")

    def fail() -> None:
        with replacing(file) as pending:
            pending.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["result.json"]


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "0001.png").write_bytes(b"old")
    with replacing(folder) as pending:
        pending.mkdir()
        (pending / "0002.png").write_bytes(b"new")
    assert os.listdir(folder) == ["0002.png"]


def test_a_link_with_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    victim, file = tmp_path / "victim", tmp_path / "result.json"
    victim.write_bytes(b"mine")
    pending_path(file).symlink_to(victim)
    write_atomic(file, b"new")
    assert (victim.read_bytes(), file.read_bytes(), file.is_symlink()) == (b"mine", b"new", False)
