"""A run directory: its lock, its state, its takes. Nothing half-done is ever visible in it.

Every file is either content that a digest names (takes, inputs) and then appears by one rename, or derived from
run.json, which is replaced as a whole. So a kill at any instant leaves the run before a change or after it.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from onestory_cli.checkpoint import Partial
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Event
from onestory_cli.planning.jobs import ImageInput, Plan
from onestory_cli.planning.reasons import Reason
from onestory_cli.store.checksummed_json import DamagedFileError, read_document
from onestory_cli.store.disk import Disk, digest, has_digest, os_errors_coded, pending_path, sha256
from onestory_cli.store.keys import SHORT
from onestory_cli.store.layout import EVENTS, FILM, INPUTS, LOCK, SHOTS, STAGING, STATE, STORY, is_ours
from onestory_cli.store.lock import locked
from onestory_cli.store.partials import PARTIAL, read_partial, write_partial
from onestory_cli.store.record import MemoryState, Record
from onestory_cli.store.recovery import recover, refuse_links
from onestory_cli.store.state import AcceptedTake, FilmFile, ModelUsed, RunState, state_of
from onestory_cli.store.takes import (
    CLIP,
    LATENTS,
    RECORD,
    ShotTakes,
    Take,
    changed_in_use,
    read_shot_takes,
)


class Run:
    """One run directory. Reading needs no lock; every method that writes must run inside `locked()`."""

    def __init__(self, path: Path, disk: Disk | None = None) -> None:
        self.path = path
        self.disk = disk or Disk()

    @classmethod
    def open(cls, path: Path, disk: Disk | None = None) -> Run:
        """A run directory that exists.

        Raises:
            OnestoryError: R402 when there is none at `path`.
        """
        run = cls(path, disk)
        if not ((path / STATE).exists() or (path / SHOTS).is_dir()):
            raise _no_run(path)
        return run

    @classmethod
    def create(cls, path: Path, disk: Disk | None = None) -> Run:
        """The run directory at `path`, made when there is none; one without run.json is known by its takes.

        Raises:
            OnestoryError: R409 for a folder that holds other things, R405 or R407 when it cannot be made.
        """
        run = cls(path, disk)
        with os_errors_coded(path):
            strange = [name for name in (os.listdir(path) if path.exists() else ()) if not is_ours(name)]
        if strange and not ((path / STATE).exists() or any(path.glob(f"{SHOTS}/*/*/{RECORD}"))):
            raise OnestoryError(
                "R409",
                f'"{path}" is no run directory: it holds "{min(strange)}"',
                help="name a new or empty folder with --run DIR",
                exit=ExitCode.USAGE,
            )
        run.disk.make_folder(path)
        return run

    # Reading

    def state(self) -> RunState | None:
        """What run.json says; None when nothing was rendered here yet.

        Raises:
            OnestoryError: R404 when it is damaged, R403 when a newer version wrote it.
        """
        try:
            return RunState.from_bytes(read_document(self.path / STATE))
        except FileNotFoundError:
            return None
        except (DamagedFileError, OSError) as fault:
            raise OnestoryError(
                "R404",
                f'"{self.path / STATE}" is damaged: {fault}',
                help="remove that file and render from the story file again; whole takes are found and kept",
                exit=ExitCode.MACHINE,
            ) from fault

    def accepted(self) -> Mapping[str, AcceptedTake]:
        """Which take of each shot counts; nothing where run.json is not there or damaged.

        Raises:
            OnestoryError: R403 when a newer version wrote it.
        """
        state = self._whole_state()
        return state.shots if state else {}

    def model_used(self) -> ModelUsed | None:
        """The model that the run was last given; None where run.json is not there or damaged."""
        state = self._whole_state()
        return state.model if state else None

    def takes_by_shot(self) -> dict[str, ShotTakes]:
        """All takes of all shots that ever were in the run, checked byte by byte."""
        folder = self.path / SHOTS
        return {entry.name: read_shot_takes(entry) for entry in (sorted(folder.iterdir()) if folder.is_dir() else ())}

    def take_folder(self, shot: str, key: str) -> Path:
        """Where the take of this key lies, or will lie; a partial is kept there too."""
        return self.path / SHOTS / shot / key[:SHORT]

    def input(self, image: ImageInput) -> Path:
        """The frozen copy of a picture."""
        return self.input_file(image.path, image.sha256)

    def input_file(self, path: str, sha256: str) -> Path:
        return self.path / INPUTS / (sha256 + Path(path).suffix.lower())

    def partial(self, shot: str, key: str) -> Partial | None:
        """The work on the take of this key that was cut off; None when there is none or it is damaged."""
        try:
            kept, partial = read_partial(self.take_folder(shot, key) / PARTIAL)
        except (DamagedFileError, OSError):  # told by whoever looks for damage; the shot begins again
            return None
        return partial if kept.key == key else None

    @property
    def film(self) -> Path:
        return self.path / FILM

    # Writing

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for writing; first clears up after a writer that was killed.

        Raises:
            OnestoryError: R401 when another process has it, R416 when a part of it is a link.
        """
        refuse_links(self.path)
        with locked(self.path / LOCK, self.disk):
            recover(self)
            yield
            self.disk.sync(self.path)

    def freeze(self, plan: Plan) -> None:
        """Keep all that is needed to render `plan` again: pictures, options, and the story, byte for byte.

        A damaged run.json is written anew; which takes were accepted is then found by their keys.

        Raises:
            OnestoryError: R419 for a plan that was read from this run before another process gave it something else.
        """
        before = self._whole_state()
        if before and plan.given and plan.given != before.given:
            raise _given_anew(self.path)
        for image in plan.files:
            self._freeze_image(image)
        self._write_story_and_state(plan.story.source, state_of(plan, before))

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder that nobody reads, on the run's own file system; gone when the block ends."""
        folder = self.path / f"{STAGING}{os.getpid()}-{secrets.token_hex(4)}"
        try:
            self.disk.make_folder(folder / "new")
            yield folder / "new"
        finally:
            self.disk.remove(folder)

    def save_partial(self, shot: str, key: str, partial: Partial) -> None:
        """Put the work on a take where the take will lie; whoever commits the take replaces it."""
        folder = self.take_folder(shot, key)
        self.disk.make_folder(folder)
        self.disk.replace(folder / PARTIAL, write_partial(key, partial))

    def remove_partial(self, shot: str, key: str) -> None:
        """Remove the work on a take that is not needed any more, or cannot be used."""
        path = self.take_folder(shot, key) / PARTIAL
        if path.exists():
            self.disk.remove(path)

    def commit(self, staged: Path, record: Record) -> Take:
        """Make the clip and the latents in `staged` a take; one already in its place gives way.

        Raises:
            OnestoryError: R406 when the record knows a file already, and as another.
        """
        found = {name: digest(staged / name) for name in (CLIP, LATENTS)}
        if any(found[name] != known for name, known in record.files.items()):
            raise changed_in_use(staged)
        record = replace(record, files=found)
        self.disk.write(staged / RECORD, record.to_bytes())
        self.disk.sync(staged / CLIP, staged / LATENTS, staged / RECORD, staged)
        folder = self.put(staged, record)
        return Take(shot=record.shot, folder=folder, record=record)

    def put(self, staged: Path, record: Record) -> Path:
        """Let a whole staged take appear at its place by one rename; one that is there gives way."""
        folder = self.take_folder(record.shot, record.key)
        self.disk.make_folder(folder.parent)
        if folder.exists():
            self.disk.rename(folder, staged.with_name("old"))
        self.disk.rename(staged, folder)
        self.disk.sync(folder.parent, folder.parent.parent)
        return folder

    def recommit(self, take: Take, memory: MemoryState, reason: Reason) -> Take:
        """The same clip and latents as a take of another memory, so that its key tells of it from now on."""
        with self.staging() as folder:
            for name in (CLIP, LATENTS):
                self.disk.link(take.folder / name, folder / name)
            return self.commit(folder, replace(take.record, memory=memory, reason=reason, created=time.time()))

    def accept(self, shot: str, take: Take, *, chosen: bool = False) -> None:
        """Let a take count, from now on and after every restart; `chosen` when somebody said so."""
        record, state = take.record, self._state()
        before = state.shots.get(shot)
        entry = AcceptedTake(
            folder=f"{take.shot}/{take.id}",
            take=record.take,
            reason=record.reason,
            seed=record.own_seed,
            chosen=chosen or (before is not None and before.chosen and before.take == record.take),
        )
        if state.shots.get(shot) != entry:
            self._write_state(replace(state, shots={**state.shots, shot: entry}, film=None))

    def drop_other_shots(self, shots: Collection[str]) -> None:
        """Let takes count no more but those of `shots`, which are all that the story has."""
        state = self._state()
        self._write_state(replace(state, shots={shot: it for shot, it in state.shots.items() if shot in shots}))

    def has_film(self, key: str) -> bool:
        """Whether film.mp4 is the film of this key, unharmed."""
        made = self._state().film
        return made is not None and made.key == key and has_digest(self.film, made.sha256)

    def make_film(self, key: str, mux: Callable[[Path], object]) -> None:
        """Let `mux` write the film, put it in its place and note its digest."""
        if self._state().film is not None:
            self._write_state(replace(self._state(), film=None))
        with self.staging() as folder:
            mux(folder / FILM)
            self.disk.sync(folder / FILM)
            made = digest(folder / FILM)
            self.disk.rename(folder / FILM, self.film)
            self.disk.sync(self.path)
        self._write_state(replace(self._state(), film=FilmFile(key=key, sha256=made.sha256, bytes=made.bytes)))

    def log(self, event: Event) -> None:
        """Append an event to events.jsonl, with its kind and the time in seconds since 1970."""
        line = {"event": type(event).__name__, "time": round(time.time(), 3), **asdict(event)}
        self.disk.append(self.path / EVENTS, json.dumps(line).encode() + b"\n")

    # Parts

    def _freeze_image(self, image: ImageInput) -> None:
        copy = self.input(image)
        if has_digest(copy, image.sha256):
            return
        with os_errors_coded(image.file):
            data = image.file.read_bytes()
        if sha256(data) != image.sha256:
            raise OnestoryError("S216", f'image "{image.path}" changed after it was read', help="render again")
        self.disk.make_folder(copy.parent)
        self.disk.replace(copy, data)
        self.disk.sync(copy.parent)

    def _whole_state(self) -> RunState | None:
        """What run.json says; None where it is not there or damaged."""
        try:
            return self.state()
        except OnestoryError as fault:
            if fault.code != "R404":
                raise
            return None

    def _state(self) -> RunState:
        state = self.state()
        assert state is not None, "freeze() comes first"
        return state

    def _write_state(self, state: RunState) -> None:
        data = state.to_bytes()
        if not has_digest(self.path / STATE, sha256(data)):
            self.disk.replace(self.path / STATE, data)

    def _write_story_and_state(self, source: bytes, state: RunState) -> None:
        """The story waits beside its name before run.json tells of it, so that at any instant one of the two has it."""
        story = self.path / STORY
        if has_digest(story, sha256(source)):
            self._write_state(state)
        else:
            self.disk.write(pending_path(story), source)
            self.disk.sync(pending_path(story), self.path)
            self._write_state(state)
            self.disk.rename(pending_path(story), story)


def _given_anew(path: Path) -> OnestoryError:
    return OnestoryError(
        "R419",
        f'"{path}" was given another story or other options meanwhile',
        help="give the same command again: it goes on with those",
        exit=ExitCode.PARTIAL,
    )


def _no_run(path: Path) -> OnestoryError:
    what = "no run directory" if path.exists() else "not there"
    return OnestoryError(
        "R402",
        f'"{path}" is {what}',
        help="name the folder that `onestory render` wrote, film.run beside film.story.yaml",
        exit=ExitCode.USAGE,
    )
