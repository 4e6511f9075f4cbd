"""Every change that the store makes to a disk, as one method of `Disk` each.

All writes of the store go through this class, so a fault harness overrides `Disk.step` to count operations, to kill the
process before the k-th one or to simulate a full disk. An error of the operating system becomes a coded error that
names the path and the next step. Reads do not go through this module.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.utils.atomic import pending_path
from onestory_cli.utils.system import open_flags, replace, sync
from onestory_cli.utils.untrusted import file_sha256, open_regular

FULL = {errno.ENOSPC, errno.EDQUOT}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_APPENDING = open_flags("O_WRONLY", "O_APPEND", "O_CREAT", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK")
UNLINKABLE = {errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK, errno.ENOSYS}


@dataclass(frozen=True, kw_only=True)
class FileDigest:
    """The expected SHA-256 (hex) and size of a file."""

    sha256: str
    bytes: int


def digest(path: Path) -> FileDigest:
    """The digest of a file's current bytes.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a regular file, or a sparse one.
    """
    sha256, size = file_sha256(path)
    return FileDigest(sha256=sha256.hex(), bytes=size)


def sha256(data: bytes) -> str:
    """The SHA-256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def has_digest(path: Path, sha256: str) -> bool:
    """Whether `path` is a regular file, not a sparse one, with this SHA-256.

    Raises:
        OnestoryError: R408 if it exists but cannot be read.
    """
    try:
        with read_errors_coded(path):
            return path.is_file() and digest(path).sha256 == sha256
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False


def read_verified(path: Path, expected: str) -> bytes:
    """The bytes of a file.

    Raises:
        OnestoryError: R406 if they do not have the SHA-256 `expected`.
    """
    with open_regular(path) as file:
        data = file.read()
    if sha256(data) != expected:
        raise changed_in_use(path)
    return data


def changed_in_use(path: Path) -> OnestoryError:
    """R406: a file changed after it was verified."""
    return OnestoryError(
        "R406",
        f'"{path}" changed while it was in use',
        help="rerun the command to render the take again",
        exit=ExitCode.PARTIAL,
    )


@contextmanager
def read_errors_coded(path: Path) -> Iterator[None]:
    """Convert an OSError of the block to R408, unless it says that there is no such file.

    A file that cannot be read for a moment (EACCES, EIO, ESTALE) is not damaged: the command must stop instead of
    replacing it.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as fault:
        raise OnestoryError(
            "R408",
            f'cannot read "{fault.filename or path}": {fault.strerror or fault}',
            help="check the disk and the permissions, then rerun the command",
            exit=ExitCode.MACHINE,
        ) from fault


@contextmanager
def os_errors_coded(path: Path) -> Iterator[None]:
    """Convert an OSError of the block to R405 (disk full), R407 (no permission) or R408 (any other)."""
    try:
        yield
    except OSError as fault:
        where = fault.filename or path
        if fault.errno in FULL:
            raise OnestoryError(
                "R405",
                f'no space left on the disk of "{path}"',
                help="free disk space, then rerun the command; finished shots are kept",
                exit=ExitCode.PARTIAL,
            ) from fault
        if fault.errno in FORBIDDEN:
            raise OnestoryError(
                "R407",
                f'cannot write "{where}": {fault.strerror}',
                help="make it writable, or choose another run directory with --run DIR",
                exit=ExitCode.MACHINE,
            ) from fault
        raise OnestoryError(
            "R408",
            f'"{where}": {fault.strerror or fault}',
            help="check the disk, then rerun the command; finished shots are kept",
            exit=ExitCode.MACHINE,
        ) from fault


class Disk:
    """The changes. A method returns when its change is done and raises an OnestoryError when it is not.

    Only `sync` makes a change survive a power cut.
    """

    def step(self, operation: str, path: Path) -> None:
        """Called before each change; does nothing here. A fault harness counts, raises or kills in it."""

    @contextmanager
    def change(self, operation: str, path: Path) -> Iterator[None]:
        """Run one change of `path`: call `step` first, and convert an OSError to a coded error."""
        with os_errors_coded(path):
            self.step(operation, path)
            yield

    def make_folder(self, path: Path) -> None:
        """Create a folder and its parents."""
        for folder in reversed([path, *path.parents]):
            if not folder.exists():
                with self.change("make folder", folder):
                    folder.mkdir(exist_ok=True)

    def write(self, path: Path, data: bytes) -> None:
        """Write a file that no reader looks for yet. Use `replace` for a name that readers know."""
        with self.change("write", path):
            path.write_bytes(data)

    def replace(self, path: Path, data: bytes) -> None:
        """Write `data` to `path` atomically: readers see the old bytes or the new, even after a power cut."""
        self.write(pending_path(path), data)
        self.sync(pending_path(path))
        self.rename(pending_path(path), path)

    def append(self, path: Path, data: bytes) -> None:
        """Append in one write, which a kill cannot split. Not synced: a power cut may cost the last lines of a log."""
        with self.change("append", path):
            handle = os.open(path, _APPENDING, 0o644)
            try:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise OSError(errno.EINVAL, "not a regular file", str(path))
                os.write(handle, data)
            finally:
                os.close(handle)

    def truncate(self, path: Path, size: int) -> None:
        """Keep the first `size` bytes of a file."""
        with self.change("truncate", path):
            os.truncate(path, size)

    def sync(self, *paths: Path) -> None:
        """Flush the bytes of files and the entries of folders to the disk."""
        with self.change("sync", paths[0]), ThreadPoolExecutor(len(paths)) as threads:
            # In parallel they share one commit of the file system's journal: four cost what one costs.
            list(threads.map(sync, paths))

    def rename(self, old: Path, new: Path) -> None:
        """Rename a file or folder within one file system, atomically.

        Overlayfs cannot rename a folder of a lower layer (EXDEV). It is copied to the upper layer first, so a kill may
        leave both `old` and `new`, each complete.
        """
        with self.change("rename", new):
            try:
                replace(old, new)
            except OSError as fault:
                if fault.errno != errno.EXDEV or not old.is_dir():
                    raise
                _copy_folder(old, new)
                shutil.rmtree(old)

    def link(self, old: Path, new: Path) -> None:
        """Hard-link a file, or copy it where the file system has no hard links."""
        with self.change("link", new):
            try:
                os.link(old, new)
            except OSError as fault:
                if fault.errno not in UNLINKABLE:
                    raise
                shutil.copyfile(old, new)

    def remove(self, path: Path) -> None:
        """Remove a file, or a folder with its contents. A missing path is not an error."""
        with self.change("remove", path):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _copy_folder(old: Path, new: Path) -> None:
    """Copy a folder so that `new` appears complete, by one rename."""
    pending = pending_path(new)
    shutil.rmtree(pending, ignore_errors=True)
    shutil.copytree(old, pending, symlinks=True)
    for path in (*pending.rglob("*"), pending):
        if not path.is_symlink():
            sync(path)
    replace(pending, new)
    sync(new.parent)
