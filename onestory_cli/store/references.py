"""Latents of reference images, cached in the run so that selecting memory frames does not need the VAE.

They depend on the image, the model and the size only. Missing or damaged ones are encoded again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.planning.jobs import REFERENCE_MARK, Plan
from onestory_cli.store.checksummed_json import DamagedFileError, canonical
from onestory_cli.store.disk import Disk
from onestory_cli.store.layout import REFERENCES
from onestory_cli.store.record import Record
from onestory_cli.store.takes import Damage
from onestory_cli.store.tensors import read_arrays, write_arrays

if TYPE_CHECKING:
    import numpy as np

TENSOR = "latents"
FORMAT = "1"
SUFFIX = ".safetensors"


def reference_file(run: Path, *, sha256: str, model: str, width: int, height: int) -> Path:
    """The file for the latents of an image (its digest), encoded by a model (its fingerprint) at a size in pixels."""
    key = hashlib.sha256(canonical([sha256, model, width, height])).hexdigest()
    return run / REFERENCES / (key + SUFFIX)


def save_reference(path: Path, latents_C1HW: np.ndarray, disk: Disk) -> None:
    """Save the latents of a reference image."""
    disk.make_folder(path.parent)
    disk.replace(path, write_arrays({"format": FORMAT, "key": path.stem}, {TENSOR: latents_C1HW}))
    disk.sync(path.parent)


def read_reference(path: Path) -> np.ndarray | None:
    """The saved latents (C, 1, h, w); None if they are missing or damaged."""
    try:
        return _read(path)
    except (DamagedFileError, FileNotFoundError):  # reported by `find_damage`; the image is encoded again
        return None


def damaged_references(run: Path, records: Iterable[Record]) -> Iterator[Damage]:
    """Damaged files, and missing ones that takes in `records` could see."""
    found = saved_references(run)
    for path in sorted(found):
        try:
            _read(path)
        except (DamagedFileError, FileNotFoundError) as fault:
            yield Damage(path=path, why=str(fault))
    seen = seen_references(run, records)
    yield from (Damage(path=path, why="missing") for path in sorted(seen - found))


def saved_references(run: Path) -> set[Path]:
    """The existing files, damaged or not."""
    folder = run / REFERENCES
    return {path for path in (folder.iterdir() if folder.is_dir() else ()) if path.suffix == SUFFIX}


def planned_references(run: Path, plan: Plan) -> set[Path]:
    """The files of all reference images that shots of a plan may see, at the sizes of its shots."""
    sizes = {(job.width, job.height) for job in plan.jobs}
    return {
        reference_file(run, sha256=item.image.sha256, model=plan.model_fingerprint, width=width, height=height)
        for item in plan.references
        for width, height in sizes
    }


def seen_references(run: Path, records: Iterable[Record]) -> set[Path]:
    """The files of all reference images that takes could see when they were rendered."""
    return {path for record in records for path in _seen(run, record)}


def _seen(run: Path, record: Record) -> Iterator[Path]:
    """The files of all reference images that one take could see."""
    spec = record.spec
    size = {"width": int(spec["width"] or 0), "height": int(spec["height"] or 0)}
    for source, digest in record.memory.visible.items():
        if source.startswith(REFERENCE_MARK):
            yield reference_file(run, sha256=digest, model=str(spec["model"]), **size)


def _read(path: Path) -> np.ndarray:
    facts, arrays = read_arrays(path)
    if facts.get("format") != FORMAT or TENSOR not in arrays:
        raise DamagedFileError("written by another version of onestory")
    if facts.get("key") != path.stem:
        raise DamagedFileError("the file of another image")
    return arrays[TENSOR]
