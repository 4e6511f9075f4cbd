"""`Disk`: changes of the file system and their errors."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.store.disk import Disk, digest, has_digest, os_errors_coded


class Listening(Disk):
    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def step(self, operation: str, path: Path) -> None:
        self.heard.append((operation, path.name))


@pytest.mark.parametrize(
    ("number", "code", "exit"),
    [
        (errno.ENOSPC, "R405", ExitCode.PARTIAL),
        (errno.EDQUOT, "R405", ExitCode.PARTIAL),
        (errno.EROFS, "R407", ExitCode.MACHINE),
        (errno.EACCES, "R407", ExitCode.MACHINE),
        (errno.EIO, "R408", ExitCode.MACHINE),
    ],
)
def test_system_errors_have_a_code_and_a_next_step(number: int, code: str, exit: ExitCode) -> None:
    with pytest.raises(OnestoryError) as caught, os_errors_coded(Path("film.run")):
        raise OSError(number, "because")
    assert (caught.value.code, caught.value.exit) == (code, exit)
    assert '"film.run"' in caught.value.message
    assert caught.value.help


def test_error_names_the_file_if_the_system_does(tmp_path: Path) -> None:
    with pytest.raises(OnestoryError, match="gone"):
        Disk().rename(tmp_path / "gone", tmp_path / "new")


def test_replace_writes_a_pending_file_and_renames_it(tmp_path: Path) -> None:
    disk = Listening()
    (tmp_path / "run.json").write_bytes(b"old")
    disk.replace(tmp_path / "run.json", b"new")
    assert disk.heard == [("write", ".run.json.new"), ("sync", ".run.json.new"), ("rename", "run.json")]
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert (tmp_path / "run.json").read_bytes() == b"new"


def test_folders_are_created_once_with_their_parents(tmp_path: Path) -> None:
    disk = Listening()
    for _ in range(2):
        disk.make_folder(tmp_path / "a" / "b")
    assert disk.heard == [("make folder", "a"), ("make folder", "b")]


def test_remove_accepts_files_folders_and_missing_paths(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "file").write_bytes(b"")
    for name in ("folder", "file", "nothing"):
        Disk().remove(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_digest_is_of_the_current_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert (digest(path).sha256, digest(path).bytes) == (hashlib.sha256(b"abc").hexdigest(), 3)
    assert has_digest(path, digest(path).sha256)
    assert not has_digest(path, "0" * 64)
    assert not has_digest(tmp_path / "gone", "0" * 64)
    assert not has_digest(tmp_path, "0" * 64)
