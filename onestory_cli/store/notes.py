"""notes.json: what reviewers said about takes. It never decides which take is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from onestory_cli.store.checksummed_json import DamagedFileError, dump_checksummed, load_checksummed, read_document
from onestory_cli.store.layout import NOTES
from onestory_cli.store.takes import Take
from onestory_cli.store.writer import RunWriter
from onestory_cli.utils.parsing import parse

FORMAT = 1
MAX_NOTE = 2000  # characters


@dataclass(frozen=True, kw_only=True)
class TakeNote:
    """What a reviewer said about a take, and whether it is rejected."""

    text: str = ""
    rejected: bool = False


@dataclass(frozen=True, kw_only=True)
class _NotesFile:
    format: int
    takes: Mapping[str, TakeNote]


def read_notes(run: Path) -> dict[str, TakeNote]:
    """The notes of a run by the path of their take; empty if there are none or the file is damaged."""
    try:
        found: _NotesFile = parse(_NotesFile, load_checksummed(read_document(run / NOTES)))
    except (FileNotFoundError, DamagedFileError, ValueError):
        return {}
    return dict(found.takes) if found.format == FORMAT else {}


def write_note(writer: RunWriter, take: Take, note: TakeNote) -> None:
    """Store a note about a take. An empty note removes the earlier one."""
    writer.check()
    notes = {**read_notes(writer.path), take.path: note}
    kept = {path: asdict(item) for path, item in sorted(notes.items()) if item != TakeNote()}
    writer.disk.replace(writer.path / NOTES, dump_checksummed({"format": FORMAT, "takes": kept}))
