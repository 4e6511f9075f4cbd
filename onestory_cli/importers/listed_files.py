"""Sources of several files: folders with a JSON file per shot (LongLive), and a table of JSON files (ShotStream)."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path, PurePosixPath

from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.importers.draft import MAX_SHOTS
from onestory_cli.importers.source import choose_story
from onestory_cli.utils.untrusted import parse_json, read_limited

_MAX_BYTES = 2**20  # of a file
_PATH, _FRAMES = "json_path", "frame_number"  # columns


def shots_of_folder(folder: Path, number: int | None) -> tuple[bytes, int | None]:
    """All JSON files of a folder as one list, in the order of their names, and `number`, None if it chose the folder.

    A subfolder `requests` is read instead of the folder. A folder without JSON files has a story in each of its
    subfolders, or in each of those of its subfolder `caption`; `number` (from 1) chooses one.

    Raises:
        OnestoryError: I701 if the folder has no JSON files, I702 if one cannot be read, I704 if there are several
            stories and none is chosen.
    """
    shots = []
    try:
        if (folder / "requests").is_dir():  # of JoyAI-Echo, next to an index
            folder = folder / "requests"
        files = _json_files(folder)
        if not files:
            inner = folder / "caption" if (folder / "caption").is_dir() else folder
            stories = sorted(item for item in inner.iterdir() if item.is_dir() and _json_files(item))
            files = _json_files(stories[choose_story(number, len(stories))]) if stories else []
            number = None
        for path in files[: MAX_SHOTS + 1]:  # the import refuses one more than the maximum
            shots.append(parse_json(read_limited(path, _MAX_BYTES), path.name))
    except (OSError, ValueError) as fault:
        help = "remove that file from the folder, or fix it"
        raise OnestoryError("I702", f"cannot read a shot: {shorten(fault, 200)}", help=help) from fault
    if not shots:
        raise OnestoryError("I701", f'"{shorten(folder)}" has no JSON files', help="name a file", exit=ExitCode.USAGE)
    captions = [item.get("caption", item) if isinstance(item, dict) else item for item in shots]
    return json.dumps(captions).encode(), number


def _json_files(folder: Path) -> list[Path]:
    return sorted(item for item in folder.iterdir() if item.suffix == ".json" and item.is_file())


def file_in_row(table: Path, data: bytes, number: int | None) -> tuple[bytes, str] | None:
    """The JSON file in row `number` (from 1) of a CSV file with the column json_path, and its path.

    The frame numbers of the row are added to it. None if `data` is another file.

    Raises:
        OnestoryError: I704 if no row is chosen of several, I702 if the file cannot be read.
    """
    if table.suffix.lower() != ".csv" or _PATH.encode() not in data[:1000]:
        return None
    rows = [row for row in csv.DictReader(io.StringIO(data.decode("utf-8", "replace"))) if row.get(_PATH)]
    row = rows[choose_story(number, len(rows))]
    path = _find(table, row[_PATH])
    try:
        story = parse_json(read_limited(path, _MAX_BYTES), path.name)
        frames = parse_json((row.get(_FRAMES) or "[]").encode(), _FRAMES)
    except (OSError, ValueError) as fault:
        raise OnestoryError("I702", f'cannot read "{shorten(row[_PATH])}": {fault}', help="fix the table") from fault
    return json.dumps({**story, _FRAMES: frames} if isinstance(story, dict) else story).encode(), str(path)


def _find(table: Path, written: str) -> Path:
    """The file that a table names, relative to its folder or to one above it: tables are written for a repository."""
    inside = not PurePosixPath(written).is_absolute() and ".." not in PurePosixPath(written).parts
    for folder in table.absolute().parents if inside else ():
        if (folder / written).is_file():
            return folder / written
    help = "paths are relative to the table, or to a folder above it"
    raise OnestoryError("I702", f'"{shorten(written)}" of the table not found', help=help)
