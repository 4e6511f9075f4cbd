"""A run whose takes are verified once: a server reads them at every change, and a run may hold gigabytes."""

from __future__ import annotations

from pathlib import Path

from onestory_cli.store.layout import CLIP, LATENTS, RECORD, SHOTS
from onestory_cli.store.run import Run
from onestory_cli.store.takes import ShotTakes, Take, read_shot_takes

_Stamp = tuple[tuple[int, int, int], ...]  # (inode, size, time) of each file of a take


class VerifiedRun(Run):
    """A run that reads a take again only if one of its files was replaced or changed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._read: dict[Path, tuple[_Stamp, Take]] = {}

    @property
    def known(self) -> dict[Path, Take]:
        """The takes whose files did not change since they were verified."""
        return {folder: take for folder, (stamp, take) in self._read.items() if _stamp(folder) == stamp}

    def takes_by_shot(self) -> dict[str, ShotTakes]:
        """As in `Run`, but only new and changed takes are read."""
        folder, known = self.path / SHOTS, self.known
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        found = {entry.name: read_shot_takes(entry, known=known) for entry in entries}
        takes = [take for shot in found.values() for take in shot.takes]
        stamps = {take.folder: _stamp(take.folder) for take in takes}
        self._read = {take.folder: (stamp, take) for take in takes if (stamp := stamps[take.folder])}
        return found


def _stamp(folder: Path) -> _Stamp | None:
    try:
        found = [(folder / name).stat() for name in (RECORD, CLIP, LATENTS)]
    except OSError:
        return None
    return tuple((item.st_ino, item.st_size, item.st_mtime_ns) for item in found)
