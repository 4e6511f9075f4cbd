"""Changes of a run directory. A `RunWriter` exists only while the run is locked."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

from onestory_cli.checkpoint import Partial
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Event
from onestory_cli.planning.jobs import ImageInput, Plan, Reason
from onestory_cli.store.disk import changed_in_use, digest, has_digest, os_errors_coded, sha256
from onestory_cli.store.layout import (
    EVENTS,
    FILM,
    LOCK,
    PARTIAL,
    RECORD,
    STAGING,
    STATE,
    STORY,
    take_folder,
)
from onestory_cli.store.lock import Lock, locked
from onestory_cli.store.partials import write_partial
from onestory_cli.store.record import MemoryState, Record
from onestory_cli.store.recovery import recover, refuse_links
from onestory_cli.store.run import Run
from onestory_cli.store.state import AcceptedTake, FilmFile, RunState, read_valid_state, state_of
from onestory_cli.store.takes import Take, place_take
from onestory_cli.utils.atomic import pending_path


@contextmanager
def lock_run(run: Run) -> Iterator[RunWriter]:
    """Lock a run for the length of the block, clean up after a killed writer, and yield the only way to write to it.

    Raises:
        OnestoryError: R401 if another process holds the lock, R416 if a part of the run is a symbolic link.
    """
    refuse_links(run.path)
    with locked(run.path / LOCK, run.disk) as lock:
        recover(run.path, run.disk)
        try:
            yield RunWriter(run, lock)
        except OnestoryError:
            lock.check()  # if the run was moved, this is the cause of the error
            raise
        lock.check()
        run.disk.sync(run.path)


class RunWriter:
    """Writes to a locked run. Get one from `lock_run`.

    Every method raises R421 instead of writing if the run directory was moved or deleted.
    """

    def __init__(self, run: Run, lock: Lock | None = None) -> None:
        self.run, self.path, self.disk, self._lock = run, run.path, run.disk, lock

    def check(self) -> None:
        """Check that the run directory is still the one that is locked.

        Raises:
            OnestoryError: R421 if it was moved or deleted.
        """
        if self._lock:
            self._lock.check()

    def freeze(self, plan: Plan) -> None:
        """Store everything that is needed to render `plan` again: pictures, sounds, options and the story's bytes.

        A damaged run.json is replaced; the accepted takes are then found by their keys.

        Raises:
            OnestoryError: R419 if `plan` was read from this run and another process changed the run since.
        """
        self.check()
        before = read_valid_state(self.path)
        if before and plan.given and plan.given != before.given:
            raise _inputs_changed(self.path)
        for file in plan.inputs:
            _copy_input(self.run, file)
        self._write_story_and_state(plan.story.source, state_of(plan, before))

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Yield a folder on the run's file system that no reader looks at; remove it at the end of the block."""
        self.check()
        folder = staging_folder(self.path)
        try:
            self.disk.make_folder(folder / "new")
            yield folder / "new"
        except BaseException:
            with suppress(OnestoryError):  # the first error is the one to report; the next writer cleans up
                self.disk.remove(folder)
            raise
        self.disk.remove(folder)

    def new_folder(self) -> Path:
        """Create a folder on the run's file system that no reader looks at.

        The caller removes it. If this process is killed, the next writer does.
        """
        self.check()
        folder = staging_folder(self.path)
        self.disk.make_folder(folder)
        return folder

    def save_partial(self, shot: str, key: str, partial: Partial) -> None:
        """Save the unfinished work on a take in the folder where the take will be. Committing the take replaces it."""
        self.check()
        folder = take_folder(self.path, shot, key)
        self.disk.make_folder(folder)
        self.disk.replace(folder / PARTIAL, write_partial(key, partial))

    def remove_partial(self, shot: str, key: str) -> None:
        """Remove a partial that is not needed any more."""
        path = take_folder(self.path, shot, key) / PARTIAL
        if path.exists():
            self.disk.remove(path)

    def commit(self, staged: Path, record: Record) -> Take:
        """Turn the files in `staged` into a take, replacing one with the same key: clip, latents, maybe an original.

        Raises:
            OnestoryError: R406 if a file differs from the digest that the record already has.
        """
        self.check()
        with os_errors_coded(staged):
            found = {path.name: digest(path) for path in sorted(staged.iterdir())}
        if any(found.get(name) != known for name, known in record.files.items()):
            raise changed_in_use(staged)
        record = replace(record, files=found)
        self.disk.write(staged / RECORD, record.to_bytes())
        self.disk.sync(*(staged / name for name in found), staged / RECORD, staged)
        self.check()
        folder = place_take(self.path, staged, record, self.disk)
        return Take(shot=record.shot, folder=folder, record=record)

    def recommit(self, take: Take, memory: MemoryState, reason: Reason) -> Take:
        """Commit the files of a take again, with the key that they have in another memory."""
        with self.staging() as folder:
            for name in take.record.files:
                self.disk.link(take.folder / name, folder / name)
            return self.commit(folder, replace(take.record, memory=memory, reason=reason, created=time.time()))

    def accept(self, shot: str, take: Take, *, chosen: bool = False) -> None:
        """Make `take` the accepted one of a shot. `chosen` is true if the user accepted it explicitly."""
        self.check()
        record, state = take.record, _state_of(self.run)
        before = state.shots.get(shot)
        entry = AcceptedTake(
            folder=take.path,
            take=record.take,
            reason=record.reason,
            seed=record.own_seed,
            chosen=chosen or (before is not None and before.chosen and before.take == record.take),
        )
        if before != entry:
            self._write_state(replace(state, shots={**state.shots, shot: entry}, film=None))

    def drop_other_shots(self, shots: Collection[str]) -> None:
        """Forget the accepted takes of all shots that are not in `shots`."""
        state = _state_of(self.run)
        self._write_state(replace(state, shots={shot: it for shot, it in state.shots.items() if shot in shots}))

    def has_film(self, key: str) -> bool:
        """Whether film.mp4 is undamaged and has this key."""
        film = _state_of(self.run).film
        return film is not None and film.key == key and has_digest(self.run.film, film.sha256)

    def write_film(self, key: str, mux: Callable[[Path], object]) -> None:
        """Call `mux` to write the film to a staging folder, rename it to film.mp4 and record its digest."""
        if _state_of(self.run).film is not None:
            self._write_state(replace(_state_of(self.run), film=None))
        with self.staging() as folder:
            mux(folder / FILM)
            self.disk.sync(folder / FILM)
            with os_errors_coded(folder / FILM):
                film = digest(folder / FILM)
            self.check()
            self.disk.rename(folder / FILM, self.run.film)
            self.disk.sync(self.path)
        self._write_state(replace(_state_of(self.run), film=FilmFile(key=key, sha256=film.sha256, bytes=film.bytes)))

    def log(self, event: Event) -> None:
        """Append an event to events.jsonl, with its class name and the time in seconds since 1970."""
        self.check()
        line = {"event": type(event).__name__, "time": round(time.time(), 3), **asdict(event)}
        self.disk.append(self.path / EVENTS, json.dumps(line).encode() + b"\n")

    def _write_state(self, state: RunState) -> None:
        data = state.to_bytes()
        if not has_digest(self.path / STATE, sha256(data)):
            self.disk.replace(self.path / STATE, data)

    def _write_story_and_state(self, source: bytes, state: RunState) -> None:
        """Replace story.yaml and run.json so that, after a kill, story.yaml or its pending copy matches run.json."""
        story = self.path / STORY
        if has_digest(story, sha256(source)):
            self._write_state(state)
        else:
            self.disk.write(pending_path(story), source)
            self.disk.sync(pending_path(story), self.path)
            self._write_state(state)
            self.disk.rename(pending_path(story), story)


def staging_folder(run: Path) -> Path:
    """A new name for a staging folder, which the next writer removes if this one is killed."""
    return run / f"{STAGING}{os.getpid()}-{secrets.token_hex(4)}"


def _state_of(run: Run) -> RunState:
    state = run.state()
    assert state is not None, "freeze() comes first"
    return state


def _copy_input(run: Run, file: ImageInput) -> None:
    """Copy a file that the story names into the run, unless it is there."""
    copy = run.input(file)
    if has_digest(copy, file.sha256):
        return
    with os_errors_coded(file.file):
        data = file.file.read_bytes()
    if sha256(data) != file.sha256:
        raise OnestoryError("S216", f'"{file.path}" changed after it was read', help="rerun the command")
    run.disk.make_folder(copy.parent)
    run.disk.replace(copy, data)
    run.disk.sync(copy.parent)


def _inputs_changed(path: Path) -> OnestoryError:
    return OnestoryError(
        "R419",
        f'the story or options of "{path}" changed while this command was starting',
        help="rerun the command to continue with the new ones",
        exit=ExitCode.PARTIAL,
    )
