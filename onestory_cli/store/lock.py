"""One writer at a time. The lock file names its holder and is released when the holder dies.

Two things are locked, and the system releases both when the process dies: the folder, which needs no disk space, and
the lock file in it, whose text names the holder. Windows, and file systems such as NFS, can lock only the file, and a
full disk may have room for neither the file nor its text; one of the two is enough. A lock file that names another host
is never taken over, because this host cannot know whether that process is alive.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.store.disk import Disk, os_errors_coded
from onestory_cli.utils.system import FileLocks, file_locks, open_flags, read_at_start, write_whole

LOCKS: FileLocks = file_locks()
UNLOCKABLE = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # NFS without a lock service, Lustre without `-o flock`
_OPENING = open_flags("O_RDWR", "O_CLOEXEC", "O_NONBLOCK", "O_NOFOLLOW")  # never waits for the other end of a pipe


@dataclass(frozen=True, kw_only=True)
class LockHolder:
    """The process that holds a lock; `start` is in seconds since 1970."""

    pid: int
    host: str
    start: float


class Lock:
    """A held lock: open descriptors of the folder and of the lock file in it. One of the two may be None."""

    def __init__(self, path: Path, folder: int | None, file: int | None) -> None:
        self._path, self._folder, self._file = path, folder, file

    def in_place(self) -> bool:
        """Whether the locked folder and file are still at their paths."""
        return (self._folder is None or _is_at(self._folder, self._path.parent)) and (
            self._file is None or _is_at(self._file, self._path)
        )

    def check(self) -> None:
        """Check that what is locked was not moved or deleted.

        Raises:
            OnestoryError: R421 if it is not at its path any more.
        """
        if not self.in_place():
            raise OnestoryError(
                "R421",
                f'"{self._path.parent}" was moved or deleted while this command was writing to it',
                help="run `onestory resume` on the moved directory; finished shots are kept",
                exit=ExitCode.PARTIAL,
            )

    def sign(self, disk: Disk) -> None:
        """Write the holder into the lock file; on a full disk a locked folder is enough."""
        if self._file is None:
            return
        try:
            with disk.change("lock", self._path):
                _write_holder(self._file)
        except OnestoryError as fault:
            if self._folder is None or fault.code != "R405":
                raise

    def release(self) -> None:
        """Remove the lock file, unless another file took its place, and release the lock. Never raises."""
        # Remove it before releasing it: afterwards the file could be another process's lock. Windows removes no file
        # that a process has open, so there it is removed after it is released, unless another process has opened it.
        ours = self._file is not None and self.in_place()
        if ours and LOCKS.folders:
            self._remove()
        self.close()
        if ours and not LOCKS.folders:
            self._remove()

    def _remove(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        for handle in (self._file, self._folder):
            if handle is not None:
                with suppress(OSError):
                    os.close(handle)


@contextmanager
def locked(path: Path, disk: Disk) -> Iterator[Lock]:
    """Hold the lock at `path`, and on its folder, for the length of the block.

    Raises:
        OnestoryError: R401, naming the holder, if another process holds it; R420 if the file system cannot lock.
    """
    lock = _acquire(path, disk)
    try:
        lock.sign(disk)
        yield lock
    finally:
        lock.release()


def _acquire(path: Path, disk: Disk) -> Lock:
    while True:
        folder = _lock_folder(path)
        try:
            file = _lock_file(path, disk, optional=folder is not None)
        except OnestoryError:
            Lock(path, folder, None).close()
            raise
        lock = Lock(path, folder, file)
        if lock.in_place():
            return lock
        lock.close()  # the holder removed the file between our open and our flock


def _lock_folder(path: Path) -> int | None:
    """A descriptor that holds the lock on the folder of `path`; None if its file system cannot lock folders."""
    if not LOCKS.folders:
        return None
    with os_errors_coded(path.parent):
        handle = os.open(path.parent, open_flags("O_RDONLY", "O_CLOEXEC", "O_DIRECTORY"))
    try:
        LOCKS.lock(handle)
    except BlockingIOError:
        os.close(handle)
        raise _held(path, _holder_at(path)) from None
    except OSError:
        os.close(handle)
        return None
    return handle


def _lock_file(path: Path, disk: Disk, *, optional: bool) -> int | None:
    """A descriptor that holds the lock on the file at `path`; None if it is `optional` and there is no space for it."""
    try:
        with disk.change("open lock", path):
            handle = os.open(path, _OPENING | os.O_CREAT, 0o644)
    except OnestoryError as fault:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise _not_a_file(path) from fault
        if optional and fault.code == "R405":
            return None
        raise
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise _not_a_file(path)
        _flock(handle, path)
    except OnestoryError:
        os.close(handle)
        raise
    return handle


def _flock(handle: int, path: Path) -> None:
    """Lock an open file that no other process holds and that no other host has signed."""
    try:
        LOCKS.lock(handle)
    except BlockingIOError:
        raise _held(path, _read_holder(handle)) from None
    except OSError as fault:
        if fault.errno in UNLOCKABLE:
            raise _not_supported(path, fault) from fault
        with os_errors_coded(path):
            raise
    holder = _read_holder(handle)
    if holder and holder.host != socket.gethostname():
        raise _held(path, holder)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def _write_holder(handle: int) -> None:
    holder = LockHolder(pid=os.getpid(), host=socket.gethostname(), start=time.time())
    write_whole(handle, json.dumps(asdict(holder)).encode() + b"\n")


def _holder_at(path: Path) -> LockHolder | None:
    """The holder that the file at `path` names; None if there is no such file."""
    try:
        handle = os.open(path, _OPENING)
    except OSError:
        return None
    try:
        return _read_holder(handle)
    finally:
        os.close(handle)


def _read_holder(handle: int) -> LockHolder | None:
    """The holder named in an open file; None if there is none, as after a kill while it was written."""
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        return None
    try:
        holder = LockHolder(**json.loads(read_at_start(handle, 4096)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    valid = type(holder.pid) is int and isinstance(holder.host, str) and isinstance(holder.start, int | float)
    return holder if valid and holder.host.isprintable() and 0 <= holder.start < 1e11 else None


def _held(path: Path, holder: LockHolder | None) -> OnestoryError:
    if holder is None:
        who, remedy = "another process", "wait until it is done"
    elif holder.host == socket.gethostname():
        since = time.strftime("%H:%M:%S", time.localtime(holder.start))
        who, remedy = f"process {holder.pid} of this machine (since {since})", "wait until it is done, or stop it"
    else:
        who = f'process {holder.pid} of the machine "{holder.host}"'
        remedy = f'wait until it is done; if that process no longer exists, delete "{path}"'
    return OnestoryError("R401", f'{who} is writing to "{path.parent}"', help=remedy, exit=ExitCode.MACHINE)


def _not_a_file(path: Path) -> OnestoryError:
    help = "delete it if nothing else uses it, then rerun the command"
    return OnestoryError("R408", f'"{path}" is not a regular file', help=help, exit=ExitCode.MACHINE)


def _not_supported(path: Path, fault: OSError) -> OnestoryError:
    message = f'file locking is not supported on the file system of "{path.parent}": {fault.strerror}'
    help = "choose another disk with --run DIR (--out DIR for a batch), or mount this one with locking enabled"
    return OnestoryError("R420", message, help=help, exit=ExitCode.MACHINE)


def remove_stale_lock(path: Path, *, pid: int, host: str) -> None:
    """Remove the lock of a process that is known to be dead, though it ran on another host.

    A lock of any other process is left alone, and so is one that this host sees as held.
    """
    try:
        handle = os.open(path, _OPENING)
    except FileNotFoundError:
        return
    try:
        LOCKS.lock(handle)
        holder = _read_holder(handle)
        if holder and (holder.pid, holder.host) == (pid, host) and _is_at(handle, path):
            path.unlink()
    except OSError:  # held, or this host cannot tell
        return
    finally:
        os.close(handle)
