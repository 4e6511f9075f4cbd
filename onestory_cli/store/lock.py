"""One writer at a time. The lock file names its holder and is released when the holder dies.

The file is locked with `flock`, which the kernel releases when the process dies, so a dead process of this host cannot
block a run. The text of the file names the holder. A lock that names another host is never taken over, because this
host cannot know whether that process is alive.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.store.disk import Disk, os_errors_coded

UNLOCKABLE = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # NFS without a lock service, Lustre without `-o flock`


@dataclass(frozen=True, kw_only=True)
class LockHolder:
    """The process that holds a lock; `start` is in seconds since 1970."""

    pid: int
    host: str
    start: float


@contextmanager
def locked(path: Path, disk: Disk) -> Iterator[None]:
    """Hold the lock at `path` for the length of the block.

    Raises:
        OnestoryError: R401, naming the holder, if another process holds it; R420 if the file system cannot lock.
    """
    handle = _acquire(path, disk)
    try:
        with disk.change("lock", path):
            _write_holder(handle)
        yield
    finally:
        # Remove it before releasing it: afterwards the file could be another process's lock.
        path.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path, disk: Disk) -> int:
    """An open descriptor that holds the lock on the file now at `path`."""
    while True:
        with disk.change("open lock", path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _flock(handle, path)
        except OnestoryError:
            os.close(handle)
            raise
        if _is_at(handle, path):
            return handle
        os.close(handle)  # its holder removed the file between our open and our flock


def _flock(handle: int, path: Path) -> None:
    """Lock an open file that no other process holds and that no other host has signed."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
    except FileNotFoundError:
        return False


def _write_holder(handle: int) -> None:
    holder = LockHolder(pid=os.getpid(), host=socket.gethostname(), start=time.time())
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(asdict(holder)).encode() + b"\n", 0)


def _read_holder(handle: int) -> LockHolder | None:
    """The holder named in the file; None if it names none, because its process was killed while writing."""
    try:
        return LockHolder(**json.loads(os.pread(handle, 4096, 0)))
    except (ValueError, TypeError):
        return None


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


def _not_supported(path: Path, fault: OSError) -> OnestoryError:
    message = f'file locking is not supported on the file system of "{path.parent}": {fault.strerror}'
    help = "choose another disk with --run DIR (--out DIR for a batch), or mount this one with locking enabled"
    return OnestoryError("R420", message, help=help, exit=ExitCode.MACHINE)


def remove_stale_lock(path: Path, *, pid: int, host: str) -> None:
    """Remove the lock of a process that is known to be dead, though it ran on another host.

    A lock of any other process is left alone, and so is one that this host sees as held.
    """
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        holder = _read_holder(handle)
        if holder and (holder.pid, holder.host) == (pid, host) and _is_at(handle, path):
            path.unlink()
    except OSError:  # held, or this host cannot tell
        return
    finally:
        os.close(handle)
