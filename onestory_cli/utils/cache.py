"""The folder for files that onestory can make again, and markers of content that was checked before."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "ONESTORY_CACHE_DIR"


def cache_folder(
    environment: Mapping[str, str] = os.environ, *, platform: str = sys.platform, home: Path | None = None
) -> Path:
    """The cache folder of this user: $ONESTORY_CACHE_DIR, or the system's usual place. It may not exist."""
    if chosen := environment.get(VARIABLE):
        return Path(chosen)
    home = home or Path.home()
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local") / "onestory" / "cache"
    if platform == "darwin":
        return home / "Library" / "Caches" / "onestory"
    return Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "onestory"


def was_checked(check: str, digest: str) -> bool:
    """Whether content with this digest has passed `check` before."""
    return _marker(check, digest).exists()


def remember_check(check: str, digest: str) -> None:
    """Remember that content with this digest has passed `check`. Without a writable cache, do nothing."""
    with contextlib.suppress(OSError):
        marker = _marker(check, digest)
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()


def _marker(check: str, digest: str) -> Path:
    return cache_folder() / "checked" / check / digest
