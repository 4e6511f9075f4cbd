"""What differs between Linux, macOS and Windows: file locks, folders, syncing and replacing files, peak
memory, processes.

Functions take the module of the other system as a parameter, so that each branch is tested on every system.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import subprocess

WINDOWS = sys.platform == "win32"
# Names that no file or folder can have on Windows, also with a suffix.
WINDOWS_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
)
REPLACE_SECONDS = 2.0  # a virus scanner or a player may have a file open for a moment
_M_MMAP_THRESHOLD, _LARGE_BLOCK = -3, 2**18  # of mallopt; a decoded frame of 480p has 600 KB
_LOCKED_BYTE = 2**30  # past the text of a lock file: on Windows a locked byte cannot be read


def open_flags(*names: str, module: Any = os) -> int:
    """Flags of `os.open` by name, without those that this system does not have. Windows opens files as binary."""
    flags = 0
    for name in (*names, "O_BINARY"):
        flags |= getattr(module, name, 0)
    return flags


class FileLocks(Protocol):
    """Exclusive locks of open files, which the system releases when the process ends."""

    @property
    def folders(self) -> bool:
        """Whether folders can be opened and locked."""

    def lock(self, handle: int) -> None:
        """Lock an open file or folder without waiting.

        Raises:
            BlockingIOError: another process holds the lock.
            OSError: the file system cannot lock.
        """


class PosixLocks:
    """Locks by `fcntl.flock`."""

    folders = True

    def __init__(self, fcntl: Any) -> None:
        self._fcntl = fcntl

    def lock(self, handle: int) -> None:
        self._fcntl.flock(handle, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB)


class WindowsLocks:
    """Locks of one byte by `msvcrt.locking`."""

    folders = False

    def __init__(self, msvcrt: Any) -> None:
        self._msvcrt = msvcrt

    def lock(self, handle: int) -> None:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            self._msvcrt.locking(handle, self._msvcrt.LK_NBLCK, 1)
        except PermissionError as fault:
            raise BlockingIOError(fault.errno, "another process holds the lock") from fault


def file_locks() -> FileLocks:
    """The locks of this system."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        return WindowsLocks(msvcrt)
    return PosixLocks(fcntl)


def read_at_start(handle: int, size: int) -> bytes:
    """The first bytes of an open file."""
    os.lseek(handle, 0, os.SEEK_SET)
    return os.read(handle, size)


def write_whole(handle: int, data: bytes) -> None:
    """Replace the content of an open file."""
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, data)


def user_folder() -> Path:
    """Where the settings of this user are stored."""
    from typer import get_app_dir  # the command line has loaded it; the Python API loads it only here

    return Path(get_app_dir("onestory"))


def sync(path: Path, *, windows: bool = WINDOWS) -> None:
    """Flush a file's bytes, or a folder's entries, to the disk. Windows cannot open folders, and need not."""
    if windows and path.is_dir():
        return
    handle = os.open(path, open_flags("O_RDWR" if windows else "O_RDONLY"))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(old: Path, new: Path, *, windows: bool = WINDOWS, seconds: float = REPLACE_SECONDS) -> None:
    """Rename a file or folder atomically. On Windows, wait for programs that have `new` open.

    Raises:
        OSError: it cannot be renamed; on Windows also if a program does not close `new` in `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            os.replace(old, new)
            return
        except PermissionError:
            if not windows or time.monotonic() >= deadline:
                raise
            time.sleep(0.05)


def peak_memory_bytes(platform: str = sys.platform) -> int:
    """The peak resident memory of this process."""
    if platform == "win32":
        import ctypes

        return windows_peak_memory(ctypes.windll)  # type: ignore[attr-defined,unused-ignore]
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform == "darwin" else peak * 1024  # Linux counts kilobytes


def return_large_blocks(platform: str = sys.platform) -> bool:
    """Let the allocator give large blocks back to the system when they are freed; returns whether it does now.

    By default glibc keeps blocks of up to 32 MiB for later ones (mallopt(3), M_MMAP_THRESHOLD). For films of external
    models that was 77 of 399 MB: `python -m tests.benchmarks.workflow --shots 4 --seconds 1`.
    """
    if platform != "linux":
        return False
    import ctypes

    try:
        return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK))
    except (OSError, AttributeError):  # another C library
        return False


def windows_peak_memory(libraries: Any) -> int:
    """The peak working set of this process; 0 if Windows does not report it. `libraries` is `ctypes.windll`."""
    import ctypes

    class MemoryCounters(ctypes.Structure):  # PROCESS_MEMORY_COUNTERS of psapi.h
        _fields_ = (
            ("size", ctypes.c_uint32),
            ("page_faults", ctypes.c_uint32),
            ("peak_working_set", ctypes.c_size_t),
            ("others", ctypes.c_size_t * 7),
        )

    counters = MemoryCounters(size=ctypes.sizeof(MemoryCounters))
    kernel = libraries.kernel32
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    found = kernel.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.size)
    return int(counters.peak_working_set) if found else 0


def stop_process(process: subprocess.Popen[bytes], grace: float, *, windows: bool = WINDOWS, run: Any = None) -> None:
    """Stop a process that leads a session, and everything that it started; kill what runs after `grace` seconds."""
    import subprocess

    if windows:
        (run or subprocess.run)(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
