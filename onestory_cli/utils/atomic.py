"""Atomic writes: a reader sees the old file or the new one, never a part of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onestory_cli.utils.system import replace, sync


def pending_path(path: Path) -> Path:
    """The temporary name under which new content for `path` is written."""
    return path.with_name(f".{path.name}.new")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`. When the block succeeds, sync what it wrote and rename it to `path`.

    The block may write a file or a folder. If it fails, `path` keeps its content. A file, folder or link that already
    has the temporary name is removed first and never followed.
    """
    pending = pending_path(path)
    _remove(pending)
    try:
        yield pending
        sync(pending)
        if pending.is_dir():
            _remove(path)  # a rename cannot replace a folder that is not empty
        replace(pending, path)
        sync(path.parent)
    finally:
        _remove(pending)


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path`, replacing what is there."""
    with replacing(path) as pending, pending.open("xb") as file:
        file.write(data)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
