"""One writer at a time. The lock names its holder and dies with it.

The file is locked with `flock`, which the system drops when its holder dies, so a dead process of this host cannot keep
a run. Its text names the holder: a lock that names another host is never taken over, because this host cannot know
whether that process lives.
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
class Holder:
    """Who holds a lock; `start` is in seconds since 1970."""

    pid: int
    host: str
    start: float


@contextmanager
def locked(path: Path, disk: Disk) -> Iterator[None]:
    """Hold the lock at `path` for the length of a block.

    Raises:
        OnestoryError: R401, naming the holder, when another process has it; R420 where the disk knows no locks.
    """
    handle = _acquire(path, disk)
    try:
        with disk.change("lock", path):
            _sign(handle)
        yield
    finally:
        # Removed before it is let go: else it could be another's file that is removed.
        path.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path, disk: Disk) -> int:
    """An open handle that holds the file now at `path`."""
    while True:
        with disk.change("open lock", path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(handle, path)
        except OnestoryError:
            os.close(handle)
            raise
        if _is_at(handle, path):
            return handle
        os.close(handle)  # its holder removed it between our open and our flock


def _lock(handle: int, path: Path) -> None:
    """Hold an open file that nobody else holds, nor another host has signed."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _held(path, _read(handle)) from None
    except OSError as fault:
        if fault.errno in UNLOCKABLE:
            raise _knows_no_locks(path, fault) from fault
        with os_errors_coded(path):
            raise
    holder = _read(handle)
    if holder and holder.host != socket.gethostname():
        raise _held(path, holder)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _sign(handle: int) -> None:
    holder = Holder(pid=os.getpid(), host=socket.gethostname(), start=time.time())
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(asdict(holder)).encode() + b"\n", 0)


def _read(handle: int) -> Holder | None:
    """Who signed the file; None when nobody has, or was killed while signing."""
    try:
        return Holder(**json.loads(os.pread(handle, 4096, 0)))
    except (ValueError, TypeError):
        return None


def _held(path: Path, holder: Holder | None) -> OnestoryError:
    if holder is None:
        who, remedy = "another process", "wait until it is done"
    elif holder.host == socket.gethostname():
        since = time.strftime("%H:%M:%S", time.localtime(holder.start))
        who, remedy = f"process {holder.pid} of this machine (since {since})", "wait until it is done, or stop it"
    else:
        who = f'process {holder.pid} of the machine "{holder.host}"'
        remedy = f'wait until it is done; if that process is gone for certain, remove "{path}"'
    return OnestoryError("R401", f'"{path.parent}" is being written by {who}', help=remedy, exit=ExitCode.MACHINE)


def _knows_no_locks(path: Path, fault: OSError) -> OnestoryError:
    message = f'the disk of "{path.parent}" knows no locks: {fault.strerror}'
    help = "name another disk with --run DIR (--out DIR of a batch), or have this one mounted with locks"
    return OnestoryError("R420", message, help=help, exit=ExitCode.MACHINE)


def remove_stale_lock(path: Path, *, pid: int, host: str) -> None:
    """Remove the lock that a process left behind which is known to be gone, and which no other host can look for.

    The lock of anybody else stays, and so does one that is still held as far as this host can see.
    """
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        holder = _read(handle)
        if holder and (holder.pid, holder.host) == (pid, host) and _is_at(handle, path):
            path.unlink()
    except OSError:  # it is held, or this host cannot see whether it is
        return
    finally:
        os.close(handle)
