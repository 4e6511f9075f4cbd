"""A run directory: its state and its takes. `RunWriter` (writer.py) changes it.

Every file either has content that a digest names (takes, inputs) and appears by one rename, or is derived from
run.json, which is replaced as a whole. So after a kill at any moment the run is as before a change, or as after it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from onestory_cli.checkpoint import Partial
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.planning.jobs import ImageInput
from onestory_cli.store.checksummed_json import DamagedFileError
from onestory_cli.store.disk import Disk, has_digest, os_errors_coded, read_errors_coded
from onestory_cli.store.layout import FILM, INPUTS, PARTIAL, RECORD, SHOTS, STATE, is_ours, take_folder
from onestory_cli.store.partials import read_partial
from onestory_cli.store.state import AcceptedTake, ModelUsed, RunState, read_state, read_valid_state
from onestory_cli.store.takes import ShotTakes, read_shot_takes


class Run:
    """A run directory, to be read. Reading needs no lock; `lock_run` gives a `RunWriter`, which writes to `disk`."""

    def __init__(self, path: Path, disk: Disk | None = None) -> None:
        self.path = path
        self.disk = disk or Disk()

    @classmethod
    def open(cls, path: Path, disk: Disk | None = None) -> Run:
        """The existing run directory at `path`.

        Raises:
            OnestoryError: R402 if it is not a run directory.
        """
        if not ((path / STATE).exists() or (path / SHOTS).is_dir()):
            raise _not_a_run(path)
        return cls(path, disk)

    @classmethod
    def create(cls, path: Path, disk: Disk | None = None) -> Run:
        """The run directory at `path`, created if necessary. Without a run.json it is recognised by its takes.

        Raises:
            OnestoryError: R409 for a folder with other content, R405 or R407 if it cannot be created.
        """
        run = cls(path, disk)
        with os_errors_coded(path):
            strange = [name for name in (os.listdir(path) if path.exists() else ()) if not is_ours(name)]
        if strange and not ((path / STATE).exists() or any(path.glob(f"{SHOTS}/*/*/{RECORD}"))):
            raise OnestoryError(
                "R409",
                f'"{path}" is not a run directory (found "{min(strange)}")',
                help="choose a new or empty folder with --run DIR",
                exit=ExitCode.USAGE,
            )
        run.disk.make_folder(path)
        return run

    @property
    def film(self) -> Path:
        return self.path / FILM

    def has_film(self, sha256: str) -> bool:
        """Whether the joined film is the one with this digest.

        Raises:
            OnestoryError: R408 if it cannot be read.
        """
        return has_digest(self.film, sha256)

    def state(self) -> RunState | None:
        """The content of run.json; None if nothing was rendered here yet.

        Raises:
            OnestoryError: R404 if it is damaged, R403 if a newer version wrote it.
        """
        return read_state(self.path)

    def accepted(self) -> Mapping[str, AcceptedTake]:
        """The accepted take of each shot; empty if run.json is missing or damaged.

        Raises:
            OnestoryError: R403 if a newer version wrote it.
        """
        state = read_valid_state(self.path)
        return state.shots if state else {}

    def model_used(self) -> ModelUsed | None:
        """The model of the last render; None if run.json is missing or damaged."""
        state = read_valid_state(self.path)
        return state.model if state else None

    def takes_by_shot(self) -> dict[str, ShotTakes]:
        """All takes in the run by the name of their shot's folder, every byte verified.

        Raises:
            OnestoryError: R408 if a file cannot be read.
        """
        folder = self.path / SHOTS
        with read_errors_coded(folder):
            entries = sorted(folder.iterdir()) if folder.is_dir() else []
        return {entry.name: read_shot_takes(entry) for entry in entries}

    def input(self, file: ImageInput) -> Path:
        """The run's own copy of a file that the story names."""
        return self.input_file(file.path, file.sha256)

    def input_file(self, path: str, sha256: str) -> Path:
        """As `input`, from the path in the story and the digest."""
        return self.path / INPUTS / (sha256 + Path(path).suffix.lower())

    def partial(self, shot: str, key: str) -> Partial | None:
        """The unfinished work on the take of this key; None if there is none or it is damaged."""
        try:
            kept, partial = read_partial(take_folder(self.path, shot, key) / PARTIAL)
        except (DamagedFileError, FileNotFoundError):  # reported by `find_damage`; the shot starts from its first step
            return None
        return partial if kept.key == key else None


def _not_a_run(path: Path) -> OnestoryError:
    what = "is not a run directory" if path.exists() else "does not exist"
    return OnestoryError(
        "R402",
        f'"{path}" {what}',
        help="name the folder that `onestory render` wrote: film.run next to film.story.yaml",
        exit=ExitCode.USAGE,
    )
