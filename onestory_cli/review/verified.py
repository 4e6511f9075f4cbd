"""A run whose files are read once: a server looks at it after every change, and a run may hold gigabytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.rendering.resume import load_run_plan
from onestory_cli.review.stamps import Stamp, stamp
from onestory_cli.store.layout import CLIP, LATENTS, ORIGINAL, RECORD, SHOTS, STATE
from onestory_cli.store.run import Run
from onestory_cli.store.takes import ShotTakes, Take, read_shot_takes

if TYPE_CHECKING:
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.store.state import AcceptedTake, RunState

_TakeStamp = tuple[Stamp | None, ...]  # of each file of a take


class VerifiedRun(Run):
    """A run that reads run.json, a take or the film again only if its files were replaced or changed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._read: dict[Path, tuple[_TakeStamp, Take]] = {}
        self._takes: tuple[dict[Path, _TakeStamp], dict[str, ShotTakes]] | None = None
        self._state: tuple[Stamp, RunState] | None = None
        self._plan: tuple[RunState, Plan] | None = None
        self._film: tuple[Stamp | None, str, bool] | None = None

    def state(self) -> RunState | None:
        """As in `Run`, but an unchanged run.json is not read again."""
        now = stamp(self.path / STATE)
        if state := self._state_at(now):
            return state
        state = super().state()
        self._state = (now, state) if now and state else None
        return state

    def accepted(self) -> Mapping[str, AcceptedTake]:
        """As in `Run`."""
        state = self._state_at(stamp(self.path / STATE))
        return state.shots if state else super().accepted()

    def plan(self) -> Plan:
        """The plan of the last render; made again only after a render of another story or with other options.

        Raises:
            OnestoryError: what `load_run_plan` raises.
        """
        state = self.state()
        inputs = replace(state, shots={}, film=None) if state else None
        if inputs is None or self._plan is None or self._plan[0] != inputs:
            plan = load_run_plan(self)
            assert inputs is not None
            self._plan = inputs, plan
        return self._plan[1]

    def has_film(self, sha256: str) -> bool:
        """As in `Run`, but an unchanged film is not read again."""
        now = stamp(self.film)
        if self._film is None or self._film[:2] != (now, sha256):
            self._film = now, sha256, super().has_film(sha256)
        return self._film[2]

    @property
    def known(self) -> dict[Path, Take]:
        """The takes whose files did not change since they were verified."""
        return self._unchanged({folder: _stamp(folder) for folder in self._read})

    def takes_by_shot(self) -> dict[str, ShotTakes]:
        """As in `Run`, but only new and changed takes are read."""
        folder = self.path / SHOTS
        stamps = {take: _stamp(take) for take in folder.glob("*/*")}  # first: a file may change while it is read
        if self._takes and self._takes[0] == stamps:
            return self._takes[1]
        known = self._unchanged(stamps)
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        found = {entry.name: read_shot_takes(entry, known=known) for entry in entries}
        takes = [take for shot in found.values() for take in shot.takes]
        self._read = {take.folder: (stamps[take.folder], take) for take in takes if take.folder in stamps}
        self._takes = stamps, found
        return found

    def _state_at(self, now: Stamp | None) -> RunState | None:
        """The state that was read, if run.json is still the same."""
        return self._state[1] if now and self._state and self._state[0] == now else None

    def _unchanged(self, stamps: dict[Path, _TakeStamp]) -> dict[Path, Take]:
        return {folder: take for folder, (seen, take) in self._read.items() if stamps.get(folder) == seen}


def _stamp(folder: Path) -> _TakeStamp:
    originals = sorted(path.name for path in folder.glob(f"{ORIGINAL}.*"))
    return tuple(stamp(folder / name) for name in (RECORD, CLIP, LATENTS, *originals))
