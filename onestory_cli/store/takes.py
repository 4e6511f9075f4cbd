"""Takes on disk: a folder with a clip, its latents and a record.

A folder is a take only if its record is valid and every file has the bytes that the record states. Anything else is
reported as damage and treated as missing. A file that cannot be read is not damage: reading raises R408.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from onestory_cli.store.checksummed_json import DamagedFileError, read_document
from onestory_cli.store.disk import Disk, has_digest, read_errors_coded, read_verified
from onestory_cli.store.keys import SHORT
from onestory_cli.store.latents import read_header, read_latents
from onestory_cli.store.layout import CLIP, LATENTS, ORIGINAL, PARTIAL, RECORD, SET_ASIDE, SHOTS, take_folder
from onestory_cli.store.partials import KeptPartial, read_partial
from onestory_cli.store.record import Record

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Take:
    """A complete take. `shot` names the folder that it is in; the record names the shot that it was rendered for."""

    shot: str
    folder: Path
    record: Record

    @property
    def id(self) -> str:
        """The name of its folder: the first digits of its key."""
        return self.folder.name

    @property
    def path(self) -> str:
        """Its folder below shots/, as run.json names it."""
        return f"{self.shot}/{self.id}"

    @property
    def clip(self) -> Path:
        return self.folder / CLIP

    @property
    def original(self) -> Path | None:
        """What the model delivered, unchanged, if it was kept: a video, or pictures in a ZIP file."""
        return next((self.folder / name for name in self.record.files if Path(name).stem == ORIGINAL), None)

    @property
    def digest(self) -> str:
        """The digest of its latents: what a memory that contains this take depends on."""
        return self.record.files[LATENTS].sha256

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape (C, T, h, w) of the latents, read from the header of their file without numpy.

        Raises:
            OnestoryError: R408 if the file cannot be read.
        """
        with read_errors_coded(self.folder / LATENTS):
            return read_header(self.folder / LATENTS).shape

    def read_clip(self) -> bytes:
        """The bytes of the clip, verified.

        Raises:
            OnestoryError: R406 if they changed since the take was read.
        """
        return read_verified(self.clip, self.record.files[CLIP].sha256)

    def latents(self) -> np.ndarray:
        """The latents (C, T, h, w), float32; large ones are a memory map. Their digest is verified when they are read.

        Raises:
            OnestoryError: R406 if they changed since the take was read.
        """
        return read_latents(self.folder / LATENTS, self.digest)


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A file or folder that differs from what was written, and how it differs."""

    path: Path
    why: str

    def __str__(self) -> str:
        return f"{self.path.name}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class ShotTakes:
    """The takes of one shot, the latest first, its partials, and the damage found in its folder."""

    takes: tuple[Take, ...] = ()
    partials: tuple[KeptPartial, ...] = ()
    damages: tuple[Damage, ...] = ()

    def partial_of(self, key: str) -> KeptPartial | None:
        return next((partial for partial in self.partials if partial.key == key), None)

    def damage_of(self, key: str) -> Damage | None:
        return next((damage for damage in self.damaged_takes if damage.path.parent.name == key[:SHORT]), None)

    @property
    def damaged_takes(self) -> tuple[Damage, ...]:
        """The damage of takes. A damaged partial costs only the steps that it holds."""
        return tuple(damage for damage in self.damages if damage.path.name != PARTIAL)


def read_shot_takes(folder: Path, *, known: Mapping[Path, Take] = MappingProxyType({})) -> ShotTakes:
    """The takes in a shot's folder, every byte verified; empty if the folder does not exist.

    Takes that are `known` by their folder were verified before and are not read again.

    Raises:
        OnestoryError: R408 if a file cannot be read.
    """
    with read_errors_coded(folder):
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        entries = [entry for entry in entries if not _is_set_aside(entry)]
        found = [item for entry in entries for item in ([known[entry]] if entry in known else _read_entry(entry))]
    takes = sorted((item for item in found if isinstance(item, Take)), key=lambda take: -take.record.created)
    return ShotTakes(
        takes=tuple(takes),
        partials=tuple(item for item in found if isinstance(item, KeptPartial)),
        damages=tuple(item for item in found if isinstance(item, Damage)),
    )


def _read_entry(folder: Path) -> Iterator[Take | KeptPartial | Damage]:
    """The take in a folder, and the partial in it."""
    if holds_a_take(folder):
        found = read_take(folder)
        if isinstance(found, Take) and found.record.key[:SHORT] != folder.name:
            found = Damage(path=folder / RECORD, why="the record of another take")
        yield found
    if (path := folder / PARTIAL).exists():
        try:
            kept, _ = read_partial(path)
        except DamagedFileError as fault:
            yield Damage(path=path, why=str(fault))
        else:
            elsewhere = kept.key[:SHORT] != folder.name
            yield Damage(path=path, why="a partial of another take") if elsewhere else kept


def read_take(folder: Path) -> Take | Damage:
    """The take in a folder, or the first damage found in it: a missing file, or one that differs from its digest.

    Raises:
        OnestoryError: R408 if a file exists but cannot be read.
    """
    try:
        with read_errors_coded(folder):
            return _read_take(folder)
    except (FileNotFoundError, NotADirectoryError) as fault:  # removed while it was read
        return Damage(path=Path(fault.filename or folder), why="missing")


def _read_take(folder: Path) -> Take | Damage:
    try:
        record = Record.from_bytes(read_document(folder / RECORD))
    except FileNotFoundError:
        return Damage(path=folder / RECORD, why="missing")
    except (DamagedFileError, KeyError, TypeError, ValueError) as fault:
        return Damage(path=folder / RECORD, why=str(fault))
    for damage in _wrong_files(folder, record):
        return damage
    try:
        read_header(folder / LATENTS)
    except DamagedFileError as fault:
        return Damage(path=folder / LATENTS, why=str(fault))
    return Take(shot=folder.parent.name, folder=folder, record=record)


def _wrong_files(folder: Path, record: Record) -> Iterator[Damage]:
    for name in {CLIP, LATENTS} - record.files.keys():
        yield Damage(path=folder / RECORD, why=f"it does not state the digest of {name}")
    for name, expected in record.files.items():
        path = folder / name
        if path.is_symlink() or (path.exists() and not path.is_file()):
            yield Damage(path=path, why="not a regular file")
            continue
        if not path.exists():
            yield Damage(path=path, why="missing")
        elif (size := path.stat().st_size) != expected.bytes:
            yield Damage(path=path, why=f"{size} bytes instead of {expected.bytes}")
        elif not has_digest(path, expected.sha256):
            yield Damage(path=path, why="checksum mismatch")


def holds_a_take(folder: Path) -> bool:
    """Whether a take was ever committed to a folder. A folder with nothing but a partial is unfinished work."""
    return folder.is_dir() and any((folder / name).exists() for name in (RECORD, CLIP, LATENTS))


def place_take(run: Path, staged: Path, record: Record, disk: Disk) -> Path:
    """Rename a complete staged take to its final folder, replacing what is there, and return that folder.

    A damaged take that is there is set aside. Anything else moves to the staging folder and is removed with it.
    """
    folder = take_folder(run, record.shot, record.key)
    disk.make_folder(folder.parent)
    if holds_a_take(folder) and isinstance(read_take(folder), Damage):
        disk.rename(folder, _set_aside_path(folder))
    elif folder.exists():
        disk.rename(folder, staged.with_name("old"))
    disk.rename(staged, folder)
    disk.sync(folder.parent, folder.parent.parent)
    return folder


def set_aside_takes(run: Path) -> tuple[Path, ...]:
    """The folders of damaged takes that were set aside when a new take replaced them."""
    return tuple(sorted(path for path in (run / SHOTS).glob("*/.*") if _is_set_aside(path)))


def _is_set_aside(folder: Path) -> bool:
    return folder.name.startswith(SET_ASIDE)


def _set_aside_path(folder: Path) -> Path:
    """A free name for a damaged take in the folder of its shot: `.damaged-KEY`, `.damaged-KEY-2`."""
    names = (f"{SET_ASIDE}{folder.name}{f'-{number}' if number > 1 else ''}" for number in count(1))
    return next(path for path in map(folder.with_name, names) if not path.exists())
