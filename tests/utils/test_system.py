"""The branches for other systems, with their modules injected: Windows locks, memory, files in use, and paths."""

from __future__ import annotations

import ctypes
import io
import os
import platform
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import pytest

from onestory_cli.cli import set_encoding
from onestory_cli.errors import OnestoryError
from onestory_cli.store import lock
from onestory_cli.store.disk import Disk
from onestory_cli.story.assets import leaves_folder
from onestory_cli.utils import system
from onestory_cli.utils.system import (
    PosixLocks,
    WindowsLocks,
    file_locks,
    open_flags,
    peak_memory_bytes,
    return_large_blocks,
    stop_process,
)


class Msvcrt:
    """`msvcrt.locking` with POSIX files: one holder of a byte per file, until it is closed."""

    LK_NBLCK = 2

    def __init__(self) -> None:
        self.held: dict[int, int] = {}  # inode -> handle

    def locking(self, handle: int, mode: int, count: int) -> None:
        assert (mode, count) == (self.LK_NBLCK, 1)
        assert os.lseek(handle, 0, os.SEEK_CUR) > 4096, "the text of the file would be locked"
        inode = os.fstat(handle).st_ino
        holder = self.held.get(inode)
        if holder is not None and holder != handle and _is_open(holder, inode):
            raise PermissionError(13, "Permission denied")
        self.held[inode] = handle


def _is_open(handle: int, inode: int) -> bool:
    try:
        return os.fstat(handle).st_ino == inode
    except OSError:
        return False


@pytest.fixture
def windows_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LOCKS", WindowsLocks(Msvcrt()))


@pytest.mark.usefixtures("windows_locks")
def test_lock_of_windows_excludes_and_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock.locked(path, Disk()):
        with pytest.raises(OnestoryError, match=f"process {os.getpid()} of this machine"), lock.locked(path, Disk()):
            pass
        assert path.exists()
    assert not path.exists()
    with lock.locked(path, Disk()):
        pass


@pytest.mark.usefixtures("windows_locks")
def test_lock_file_is_closed_before_windows_removes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []
    close, unlink = os.close, Path.unlink
    monkeypatch.setattr(os, "close", lambda handle: (closed.append(handle), close(handle)))

    def remove(path: Path, missing_ok: bool = False) -> None:
        assert closed, "Windows removes no open file"
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", remove)
    with lock.locked(tmp_path / "lock", Disk()):
        closed.clear()
    assert not (tmp_path / "lock").exists()


def test_a_lost_lock_is_left_to_its_new_holder(tmp_path: Path) -> None:
    with lock.locked(tmp_path / "lock", Disk()):
        (tmp_path / "lock").unlink()
        (tmp_path / "lock").write_text("of another process")
    assert (tmp_path / "lock").read_text() == "of another process"


@pytest.mark.skipif(sys.platform == "win32", reason="the locks of POSIX")
def test_locks_of_this_system() -> None:
    assert isinstance(file_locks(), PosixLocks)


def test_flags_that_a_system_lacks_are_left_out() -> None:
    windows = SimpleNamespace(O_RDWR=2, O_BINARY=0x8000)
    assert open_flags("O_RDWR", "O_NONBLOCK", "O_CLOEXEC", module=windows) == 0x8002
    assert open_flags("O_RDWR", module=SimpleNamespace(O_RDWR=2)) == 2


def test_replace_waits_for_a_program_that_has_the_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new").write_text("new")
    attempts: list[Path] = []
    rename = os.replace

    def busy(old: Path, new: Path) -> None:
        attempts.append(new)
        if len(attempts) < 3:
            raise PermissionError(13, "in use")
        rename(old, new)

    monkeypatch.setattr(os, "replace", busy)
    system.replace(tmp_path / "new", tmp_path / "film.mp4", windows=True)
    assert (tmp_path / "film.mp4").read_text() == "new"
    attempts.clear()
    with pytest.raises(PermissionError):
        system.replace(tmp_path / "film.mp4", tmp_path / "b", windows=True, seconds=0)
    attempts.clear()
    with pytest.raises(PermissionError):
        system.replace(tmp_path / "film.mp4", tmp_path / "b", windows=False)
    assert len(attempts) == 1


def test_folders_are_not_synced_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    opened: list[int] = []
    open_file = os.open
    monkeypatch.setattr(os, "open", lambda path, flags: (opened.append(flags), open_file(path, flags))[1])
    system.sync(tmp_path, windows=True)
    assert opened == []
    system.sync(tmp_path / "file", windows=True)
    assert opened[0] & os.O_RDWR, "Windows flushes only files that are open for writing"


def test_peak_memory_of_windows() -> None:
    def info(process: Any, counters: Any, size: int) -> int:
        buffer = ctypes.cast(counters, ctypes.POINTER(ctypes.c_byte * size)).contents
        ctypes.c_size_t.from_buffer(buffer, 8).value = 123_456_789  # after two 32-bit fields
        return 1

    kernel = SimpleNamespace(GetCurrentProcess=lambda: 42, K32GetProcessMemoryInfo=info)
    kernel.GetCurrentProcess = type("Function", (), {"__call__": lambda self: 42})()
    assert system.windows_peak_memory(SimpleNamespace(kernel32=kernel)) == 123_456_789
    kernel.K32GetProcessMemoryInfo = lambda *_: 0
    assert system.windows_peak_memory(SimpleNamespace(kernel32=kernel)) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs the module resource")
def test_peak_memory_counts_kilobytes_on_linux_and_bytes_on_macos() -> None:
    assert peak_memory_bytes("linux") == pytest.approx(1024 * peak_memory_bytes("darwin"), rel=0.1)


def test_processes_of_windows_are_stopped_with_their_children() -> None:
    calls: list[list[str]] = []
    process: Any = SimpleNamespace(pid=77, wait=lambda grace: 0)
    stop_process(process, 1.0, windows=True, run=lambda command, **_: calls.append(command))
    assert calls == [["taskkill", "/F", "/T", "/PID", "77"]]


def test_pipes_of_windows_get_utf8() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    set_encoding(stream, windows=True)
    stream.write("Łódź → 東京")
    stream.flush()
    assert stream.buffer.getvalue().decode("utf-8") == "Łódź → 東京"  # type: ignore[attr-defined]
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    set_encoding(stream, windows=False)
    stream.write("東")
    stream.flush()
    assert stream.buffer.getvalue() == b"\\u6771"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "written",
    [
        "../a.png",
        "a/../../b.png",
        "/a.png",
        r"..\a.png",
        r"C:\a.png",
        "C:a.png",
        r"\\server\share\a.png",
        r"\a.png",
        r"a\..\..\b.png",
        "c:/a.png",
    ],
)
def test_paths_that_leave_the_folder_on_some_system(written: str) -> None:
    assert leaves_folder(written)


@pytest.mark.parametrize("written", ["a.png", "refs/a.png", r"refs\a.png", "refs/../a.png", "a..b/c.png", "..a/b.png"])
def test_paths_inside_the_folder_on_every_system(written: str) -> None:
    assert not leaves_folder(written)
    assert PureWindowsPath("C:/films", written).is_relative_to("C:/films")
    assert PurePosixPath("/films", written).is_relative_to("/films")


def test_only_glibc_is_asked_to_return_large_blocks() -> None:
    assert return_large_blocks("darwin") is False
    assert return_large_blocks() is (platform.libc_ver()[0] == "glibc")
