"""Latents of reference images, kept in the run: so a selection that sees a picture needs no VAE.

They follow from the picture, the model and the size alone, and are made again where they are missing or damaged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.planning.jobs import REFERENCE_MARK, Plan
from onestory_cli.store.checksummed_json import DamagedFileError, canonical
from onestory_cli.store.disk import Disk
from onestory_cli.store.record import Record
from onestory_cli.store.takes import Damage
from onestory_cli.store.tensors import read_arrays, write_arrays

if TYPE_CHECKING:
    import numpy as np

REFERENCES = "references"
LATENTS = "latents"
FORMAT = "1"
SUFFIX = ".safetensors"


def reference_file(run: Path, *, sha256: str, model: str, width: int, height: int) -> Path:
    """Where the latents of a picture (its digest) lie, as a model (its fingerprint) sees it at a size in pixels."""
    key = hashlib.sha256(canonical([sha256, model, width, height])).hexdigest()
    return run / REFERENCES / (key + SUFFIX)


def keep_reference(path: Path, latents_C1HW: np.ndarray, disk: Disk) -> None:
    """Put the latents of a reference image where they are found again."""
    disk.make_folder(path.parent)
    disk.replace(path, write_arrays({"format": FORMAT, "key": path.stem}, {LATENTS: latents_C1HW}))
    disk.sync(path.parent)


def read_reference(path: Path) -> np.ndarray | None:
    """The latents (C, 1, h, w) that were kept; None when there are none or they are damaged."""
    try:
        return _read(path)
    except (DamagedFileError, OSError):  # told by whoever looks for damage; they are made again
        return None


def damaged_references(run: Path, records: Iterable[Record]) -> Iterator[Damage]:
    """Files that are not what was written, and those that takes have seen and that are gone."""
    there = kept_references(run)
    for path in sorted(there):
        try:
            _read(path)
        except (DamagedFileError, OSError) as fault:
            yield Damage(path=path, why=str(fault))
    seen = seen_references(run, records)
    yield from (Damage(path=path, why="it is missing") for path in sorted(seen - there))


def kept_references(run: Path) -> set[Path]:
    """The files that are there, whatever state they are in."""
    folder = run / REFERENCES
    return {path for path in (folder.iterdir() if folder.is_dir() else ()) if path.suffix == SUFFIX}


def planned_references(run: Path, plan: Plan) -> set[Path]:
    """The files of all pictures that shots of a plan may see, at the sizes of its shots, by its model."""
    sizes = {(job.width, job.height) for job in plan.jobs}
    return {
        reference_file(run, sha256=item.image.sha256, model=plan.model_fingerprint, width=width, height=height)
        for item in plan.references
        for width, height in sizes
    }


def seen_references(run: Path, records: Iterable[Record]) -> set[Path]:
    """The files of all pictures that takes could see when they were made."""
    return {path for record in records for path in _seen(run, record)}


def _seen(run: Path, record: Record) -> Iterator[Path]:
    """The files of all reference images that a take could see."""
    spec = record.spec
    size = {"width": int(spec["width"] or 0), "height": int(spec["height"] or 0)}
    for source, digest in record.memory.visible.items():
        if source.startswith(REFERENCE_MARK):
            yield reference_file(run, sha256=digest, model=str(spec["model"]), **size)


def _read(path: Path) -> np.ndarray:
    facts, arrays = read_arrays(path)
    if facts.get("format") != FORMAT or LATENTS not in arrays:
        raise DamagedFileError("another version of onestory wrote it")
    if facts.get("key") != path.stem:
        raise DamagedFileError("it is the file of another picture")
    return arrays[LATENTS]
