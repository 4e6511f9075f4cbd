"""Words of a command line -> video files: files, folders and lists of paths. Addresses are refused. No torch here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.utils.untrusted import MAX_TEXT_BYTES, read_limited

SUFFIXES = frozenset((".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".wmv", ".mxf"))
LISTS = frozenset((".txt", ".lst"))
MAX_LISTED_ENTRIES = 100_000  # below a folder that a list names; a list may come from elsewhere and name "/"


def find_videos(words: Iterable[str]) -> tuple[Path, ...]:
    """Return the videos that the words name, sorted within a folder, each once.

    A folder stands for the video files below it, a list (.txt) for the path on each of its lines, relative to the list.
    A list cannot name another list.

    Raises:
        OnestoryError: T652 for an address, a path that does not exist, a list in a list, or no video at all.
    """
    try:
        found = dict.fromkeys(video for word in words for video in _videos_of(word))
    except OSError as fault:  # such as a name that is too long
        message = f'cannot read "{shorten(str(fault.filename))}": {fault.strerror}'
        raise OnestoryError("T652", message, help="check the path", exit=ExitCode.USAGE) from fault
    if not found:
        help = f"name video files, folders that hold some ({', '.join(sorted(SUFFIXES))}), or a .txt list of paths"
        raise OnestoryError("T652", "no video was found", help=help, exit=ExitCode.USAGE)
    return tuple(found)


def _videos_of(word: str, *, listed: bool = False) -> Iterator[Path]:
    path = Path(word)
    if "://" in word:
        help = "download it first; curate reads files only"
        raise OnestoryError("T652", f'"{shorten(word)}" is an address, not a file', help=help, exit=ExitCode.USAGE)
    if path.is_dir():
        files = _bounded(path) if listed else path.rglob("*")
        yield from sorted(file for file in files if file.suffix.lower() in SUFFIXES and file.is_file())
    elif path.suffix.lower() in LISTS and path.is_file():
        if listed:
            help = "name its videos and folders in the first list"
            raise OnestoryError("T652", f'a list names the list "{shorten(word)}"', help=help, exit=ExitCode.USAGE)
        lines = _read_list(path).splitlines()
        for line in filter(None, map(str.strip, lines)):
            yield from _videos_of(line if "://" in line else str(path.parent / line), listed=True)
    elif path.exists():
        yield path
    else:
        help = "check the path; a relative one starts at the current folder, or at the list that names it"
        raise OnestoryError("T652", f'no file "{shorten(word)}"', help=help, exit=ExitCode.USAGE)


def _bounded(folder: Path) -> Iterator[Path]:
    """What is below a folder that a list names.

    Raises:
        OnestoryError: T652 for more than MAX_LISTED_ENTRIES.
    """
    for number, path in enumerate(folder.rglob("*")):
        if number == MAX_LISTED_ENTRIES:
            message = f'a list names "{shorten(folder)}", which holds more than {MAX_LISTED_ENTRIES:,} files'
            help = "name a smaller folder in the list, or this one on the command line"
            raise OnestoryError("T652", message, help=help, exit=ExitCode.USAGE)
        yield path


def _read_list(path: Path) -> str:
    """The text of a list of paths; bytes that are not UTF-8 become U+FFFD.

    Raises:
        OnestoryError: T652 for a list that cannot be read or is larger than 4 MiB.
    """
    try:
        return read_limited(path, MAX_TEXT_BYTES).decode("utf-8-sig", "replace")
    except (OSError, ValueError) as fault:
        message = f'cannot read "{shorten(path)}": {getattr(fault, "strerror", None) or fault}'
        raise OnestoryError("T652", message, help="name a text file with a path in each line") from fault
