"""notes.json: what reviewers said about takes. It never decides which take is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from onestory_cli.store.checksummed_json import dump_checksummed, load_checksummed, read_document
from onestory_cli.store.layout import NOTES, SET_ASIDE
from onestory_cli.store.takes import Damage, Take
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
        return _read(run)
    except ValueError:
        return {}


def damaged_notes(run: Path) -> tuple[Damage, ...]:
    """The damage of notes.json, if its bytes are not those that were written."""
    try:
        _read(run)
    except ValueError as fault:
        return (Damage(path=run / NOTES, why=str(fault)),)
    return ()


def _read(run: Path) -> dict[str, TakeNote]:
    try:
        found: _NotesFile = parse(_NotesFile, load_checksummed(read_document(run / NOTES)))
    except FileNotFoundError:
        return {}
    return dict(found.takes) if found.format == FORMAT else {}


def write_note(writer: RunWriter, take: Take, note: TakeNote) -> None:
    """Store a note about a take. An empty note removes the earlier one. A damaged file is set aside, not replaced."""
    writer.check()
    try:
        notes = _read(writer.path)
    except ValueError:
        writer.disk.rename(writer.path / NOTES, writer.path / f"{SET_ASIDE}{NOTES}")
        notes = {}
    notes[take.path] = note
    kept = {path: asdict(item) for path, item in sorted(notes.items()) if item != TakeNote()}
    writer.disk.replace(writer.path / NOTES, dump_checksummed({"format": FORMAT, "takes": kept}))
