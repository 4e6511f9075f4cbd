"""A run whose takes are verified once: a server reads them at every change, and a run may hold gigabytes."""

from __future__ import annotations

from pathlib import Path

from onestory_cli.review.stamps import Stamp, stamp
from onestory_cli.store.layout import CLIP, LATENTS, ORIGINAL, RECORD, SHOTS
from onestory_cli.store.run import Run
from onestory_cli.store.takes import ShotTakes, Take, read_shot_takes

_TakeStamp = tuple[Stamp | None, ...]  # of each file of a take


class VerifiedRun(Run):
    """A run that reads a take again only if one of its files was replaced or changed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._read: dict[Path, tuple[_TakeStamp, Take]] = {}

    @property
    def known(self) -> dict[Path, Take]:
        """The takes whose files did not change since they were verified."""
        return self._unchanged({folder: _stamp(folder) for folder in self._read})

    def takes_by_shot(self) -> dict[str, ShotTakes]:
        """As in `Run`, but only new and changed takes are read."""
        folder = self.path / SHOTS
        stamps = {take: _stamp(take) for take in folder.glob("*/*")}  # first: a file may change while it is read
        known = self._unchanged(stamps)
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        found = {entry.name: read_shot_takes(entry, known=known) for entry in entries}
        takes = [take for shot in found.values() for take in shot.takes]
        self._read = {take.folder: (stamps[take.folder], take) for take in takes if take.folder in stamps}
        return found

    def _unchanged(self, stamps: dict[Path, _TakeStamp]) -> dict[Path, Take]:
        return {folder: take for folder, (seen, take) in self._read.items() if stamps.get(folder) == seen}


def _stamp(folder: Path) -> _TakeStamp:
    originals = sorted(path.name for path in folder.glob(f"{ORIGINAL}.*"))
    return tuple(stamp(folder / name) for name in (RECORD, CLIP, LATENTS, *originals))
