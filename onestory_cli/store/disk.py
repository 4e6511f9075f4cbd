"""Every change that the store makes to a disk, one method of `Disk` each.

This is the only door: a harness that counts operations, kills at the k-th or plays a full disk overrides `Disk.step`.
What the operating system refuses becomes a coded error that names the path and the way on. Reading is not a change and
goes past this module.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError

FULL = {errno.ENOSPC, errno.EDQUOT}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
UNLINKABLE = {errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK, errno.ENOSYS}


@dataclass(frozen=True, kw_only=True)
class FileDigest:
    """What a file must be: sha256 in hex, and its size."""

    sha256: str
    bytes: int


def digest(path: Path) -> FileDigest:
    """The digest of a file's bytes as they are now.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return FileDigest(sha256=sha256, bytes=file.tell())


def sha256(data: bytes) -> str:
    """Hex digest of bytes."""
    return hashlib.sha256(data).hexdigest()


def has_digest(path: Path, sha256: str) -> bool:
    """Whether there is a file at `path` with this digest, and it can be read."""
    try:
        return digest(path).sha256 == sha256
    except OSError:
        return False


def pending_path(path: Path) -> Path:
    """Where new bytes for `path` are written before they take its place."""
    return path.with_name(f".{path.name}.new")


@contextmanager
def os_errors_coded(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into R405 (disk full), R407 (not allowed) or R408 (any other)."""
    try:
        yield
    except OSError as fault:
        where = fault.filename or path
        if fault.errno in FULL:
            raise OnestoryError(
                "R405",
                f'no space left on the disk of "{path}"',
                help="make room and give the same command again; finished shots are kept",
                exit=ExitCode.PARTIAL,
            ) from fault
        if fault.errno in FORBIDDEN:
            raise OnestoryError(
                "R407",
                f'"{where}" cannot be written: {fault.strerror}',
                help="make it writable, or name another run directory with --run DIR",
                exit=ExitCode.MACHINE,
            ) from fault
        raise OnestoryError(
            "R408",
            f'"{where}": {fault.strerror or fault}',
            help="check the disk, then give the same command again; finished shots are kept",
            exit=ExitCode.MACHINE,
        ) from fault


class Disk:
    """The changes. Each is done when its method returns, or an OnestoryError; `sync` makes it outlive a power cut."""

    def step(self, operation: str, path: Path) -> None:
        """Called before each change; does nothing. A fault harness counts, raises or kills here."""

    @contextmanager
    def change(self, operation: str, path: Path) -> Iterator[None]:
        """One change of `path`: counted, and refused in words."""
        with os_errors_coded(path):
            self.step(operation, path)
            yield

    def make_folder(self, path: Path) -> None:
        """Make a folder and its parents."""
        for folder in reversed([path, *path.parents]):
            if not folder.exists():
                with self.change("make folder", folder):
                    folder.mkdir(exist_ok=True)

    def write(self, path: Path, data: bytes) -> None:
        """Write a new file where nobody looks yet; use `replace` for a name that readers know."""
        with self.change("write", path):
            path.write_bytes(data)

    def replace(self, path: Path, data: bytes) -> None:
        """Put `data` at `path`: readers see the old bytes or the new, never a part, even after a power cut."""
        self.write(pending_path(path), data)
        self.sync(pending_path(path))
        self.rename(pending_path(path), path)

    def append(self, path: Path, data: bytes) -> None:
        """Append in one write, which no kill splits. Not synced: a power cut may cost the last lines of a log."""
        with self.change("append", path), path.open("ab", buffering=0) as file:
            file.write(data)

    def cut(self, path: Path, size: int) -> None:
        """Keep the first `size` bytes of a file."""
        with self.change("cut", path):
            os.truncate(path, size)

    def sync(self, *paths: Path) -> None:
        """Bring the bytes of files, and the entries of folders, to the disk."""
        with self.change("sync", paths[0]), ThreadPoolExecutor(len(paths)) as threads:
            # Together they cost one commit of the file system's journal: four cost what one does.
            list(threads.map(_sync, paths))

    def rename(self, old: Path, new: Path) -> None:
        """Give a file or folder another name on the same file system, at once."""
        with self.change("rename", new):
            os.replace(old, new)

    def link(self, old: Path, new: Path) -> None:
        """Give the bytes of a file a second place; a copy where the file system knows no hard links."""
        with self.change("link", new):
            try:
                os.link(old, new)
            except OSError as fault:
                if fault.errno not in UNLINKABLE:
                    raise
                shutil.copyfile(old, new)

    def remove(self, path: Path) -> None:
        """Remove a file, or a folder with all it holds; nothing there is no fault."""
        with self.change("remove", path):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
