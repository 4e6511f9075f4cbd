"""Takes on disk: a folder with a clip, its latents and a record, or nothing.

A folder is read as a take only when its record is whole and every file has the bytes that the record states. Anything
else is damage, which is told and otherwise as good as absent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.store.checksummed_json import DamagedFileError, read_document
from onestory_cli.store.disk import digest, sha256
from onestory_cli.store.keys import SHORT
from onestory_cli.store.partials import PARTIAL, KeptPartial, read_partial
from onestory_cli.store.record import Record
from onestory_cli.store.tensors import HEAD

if TYPE_CHECKING:
    import numpy as np

CLIP = "clip.mp4"
LATENTS = "latents.safetensors"
RECORD = "record.json"
TENSOR = "latents"
_LONGEST_HEADER = 4096  # bytes; that of one tensor has some 80


@dataclass(frozen=True, kw_only=True)
class Take:
    """One whole take. `shot` is the folder that it lies in; the record has the shot that it was made for."""

    shot: str
    folder: Path
    record: Record

    @property
    def id(self) -> str:
        """The first digits of its key: its folder's name."""
        return self.folder.name

    @property
    def clip(self) -> Path:
        return self.folder / CLIP

    @property
    def digest(self) -> str:
        """What a memory that holds this take depends on: the digest of its latents."""
        return self.record.files[LATENTS].sha256

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(C, T, h, w) of the latents, from the header of their file; no tensor is read, and numpy is not loaded."""
        return _shape_in(self.folder / LATENTS)

    def latents(self) -> np.ndarray:
        """(C, T, h, w) float32; the bytes are checked once more on the way.

        Raises:
            OnestoryError: R406 when they changed since the take was read.
        """
        return read_latents(self.folder / LATENTS, self.digest)


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A file or folder that is not what was written, and how one knows."""

    path: Path
    why: str

    def __str__(self) -> str:
        return f"{self.path.name}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class ShotTakes:
    """All takes of one shot, the latest first, the work that was cut off, and what is damaged among them."""

    takes: tuple[Take, ...] = ()
    partials: tuple[KeptPartial, ...] = ()
    damages: tuple[Damage, ...] = ()

    def by_key(self, key: str) -> Take | None:
        return next((take for take in self.takes if take.record.key == key), None)

    def partial_of(self, key: str) -> KeptPartial | None:
        return next((partial for partial in self.partials if partial.key == key), None)

    def damage_of(self, key: str) -> Damage | None:
        return next((damage for damage in self.damaged_takes if damage.path.parent.name == key[:SHORT]), None)

    @property
    def damaged_takes(self) -> tuple[Damage, ...]:
        """The damages that cost a take: a damaged partial costs only the steps that it held."""
        return tuple(damage for damage in self.damages if damage.path.name != PARTIAL)


def read_shot_takes(folder: Path) -> ShotTakes:
    """The takes in a shot's folder, each checked byte by byte; an absent folder is an empty shelf."""
    found = [item for entry in (sorted(folder.iterdir()) if folder.is_dir() else ()) for item in _read_entry(entry)]
    takes = sorted((item for item in found if isinstance(item, Take)), key=lambda take: -take.record.created)
    return ShotTakes(
        takes=tuple(takes),
        partials=tuple(item for item in found if isinstance(item, KeptPartial)),
        damages=tuple(item for item in found if isinstance(item, Damage)),
    )


def _read_entry(folder: Path) -> Iterator[Take | KeptPartial | Damage]:
    """What lies in a take's folder: the take, a partial of it, either, or neither."""
    if holds_a_take(folder):
        found = read_take(folder)
        if isinstance(found, Take) and found.record.key[:SHORT] != folder.name:
            found = Damage(path=folder / RECORD, why="it is the record of another take")
        yield found
    if (path := folder / PARTIAL).exists():
        try:
            kept, _ = read_partial(path)
        except (DamagedFileError, OSError) as fault:
            yield Damage(path=path, why=str(fault))
        else:
            elsewhere = kept.key[:SHORT] != folder.name
            yield Damage(path=path, why="it is the work on another take") if elsewhere else kept


def read_take(folder: Path) -> Take | Damage:
    """The take in a folder, or the first thing that is wrong with it."""
    try:
        record = Record.from_bytes(read_document(folder / RECORD))
    except FileNotFoundError:
        return Damage(path=folder / RECORD, why="it is missing")
    except (DamagedFileError, OSError, KeyError, TypeError, ValueError) as fault:
        return Damage(path=folder / RECORD, why=str(fault))
    for damage in _wrong_files(folder, record):
        return damage
    try:
        _shape_in(folder / LATENTS)
    except (DamagedFileError, OSError) as fault:
        return Damage(path=folder / LATENTS, why=str(fault))
    return Take(shot=folder.parent.name, folder=folder, record=record)


def _wrong_files(folder: Path, record: Record) -> Iterator[Damage]:
    for name in {CLIP, LATENTS} - record.files.keys():
        yield Damage(path=folder / RECORD, why=f"it states no {name}")
    for name, expected in record.files.items():
        path = folder / name
        if path.is_symlink() or (path.exists() and not path.is_file()):
            yield Damage(path=path, why="it is not a file")
            continue
        try:
            found = digest(path)
        except OSError as fault:
            missing = isinstance(fault, FileNotFoundError)
            yield Damage(path=path, why="it is missing" if missing else str(fault.strerror))
            continue
        if found.bytes != expected.bytes:
            yield Damage(path=path, why=f"it has {found.bytes} bytes, not {expected.bytes}")
        elif found.sha256 != expected.sha256:
            yield Damage(path=path, why="its bytes were changed")


def _shape_in(path: Path) -> tuple[int, int, int, int]:
    """(C, T, h, w) of the one float32 tensor that fills a latents file.

    Raises:
        BrokenSeal: the header tells of anything else; its bytes may be those that a record states and never have been
            latents.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(HEAD), "little")
        text = file.read(min(length, _LONGEST_HEADER))
    try:
        header = json.loads(text)
        channels, frames, height, width = shape = tuple(header[TENSOR]["shape"])
    except (ValueError, KeyError, TypeError, RecursionError) as fault:
        raise DamagedFileError("it holds no latents") from fault
    if not all(type(size) is int and size > 0 for size in shape):
        raise DamagedFileError("it holds no latents")
    size = math.prod(shape) * 4
    if header != {TENSOR: {"dtype": "F32", "shape": list(shape), "data_offsets": [0, size]}}:
        raise DamagedFileError("it holds other things than latents")
    if path.stat().st_size != HEAD + length + size:
        raise DamagedFileError("it is not as long as its latents are")
    return channels, frames, height, width


def holds_a_take(folder: Path) -> bool:
    """Whether a take was ever committed here; a folder that holds only a partial is work that was cut off."""
    return folder.is_dir() and any((folder / name).exists() for name in (RECORD, CLIP, LATENTS))


def write_latents(latents_CTHW: np.ndarray) -> bytes:
    """The bytes of a latents file: one tensor, float32, no metadata, so that equal latents have equal digests."""
    import numpy as np
    from safetensors.numpy import save

    data: bytes = save({TENSOR: np.ascontiguousarray(latents_CTHW, dtype=np.float32)})
    return data


def read_latents(path: Path, expected: str) -> np.ndarray:
    """(C, T, h, w) float32 from a file that must have this digest.

    Raises:
        OnestoryError: R406 for other bytes.
    """
    data = path.read_bytes() if path.exists() else b""
    if sha256(data) != expected:
        raise changed_in_use(path)
    return latents_in(data)


def latents_in(data: bytes) -> np.ndarray:
    """(C, T, h, w) float32 from the bytes of a latents file."""
    from safetensors.numpy import load

    latents_CTHW: np.ndarray = load(data)[TENSOR]
    return latents_CTHW


def changed_in_use(path: Path) -> OnestoryError:
    return OnestoryError(
        "R406",
        f'"{path}" changed while it was in use',
        help="give the same command again: the take is made anew",
        exit=ExitCode.PARTIAL,
    )
