"""Numbers as people write them, names where there is little room, and paths in command lines."""

from __future__ import annotations

import shlex
from pathlib import Path


def duration(seconds: float) -> str:
    """Seconds as people write them: `0.9 s`, `42 s`, `3:05`, `1:02:03`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def cut(name: str, width: int) -> str:
    """A name in so many characters: its beginning and its end, which tell names of a series apart."""
    if len(name) <= width:
        return name
    end = (width - 1) // 2
    return f"{name[: width - 1 - end]}…{name[-end:]}"


def quoted(path: Path | str) -> str:
    """A path as one word of a command line that a shell reads: `'my film.run'`."""
    return shlex.quote(str(path))
