"""What a writer does before it writes: refuse links, and clean up after a writer that was killed."""

from __future__ import annotations

import os
from pathlib import Path

from onestory_cli.errors import OnestoryError
from onestory_cli.store.disk import Disk, has_digest, read_errors_coded, sha256
from onestory_cli.store.layout import EVENTS, INPUTS, REFERENCES, SHOTS, STAGING, STORY, take_folder
from onestory_cli.store.state import read_state
from onestory_cli.store.takes import Take, place_take, read_take
from onestory_cli.utils.atomic import pending_path
from onestory_cli.utils.untrusted import open_regular

MAX_LINE = 2**20  # bytes of a line of events.jsonl


def refuse_links(run: Path) -> None:
    """Check that no file or folder of a run directory is a symbolic link.

    A run directory from a stranger may contain links, and writing through one would change files outside of it.

    Raises:
        OnestoryError: R416 for the first link.
    """
    for pattern in ("*", f"{INPUTS}/*", f"{SHOTS}/*", f"{SHOTS}/*/*"):
        for item in run.glob(pattern):
            if item.is_symlink():
                raise link_in_run(item)


def link_in_run(path: Path) -> OnestoryError:
    help = "remove the link, or choose another run directory with --run DIR"
    return OnestoryError("R416", f'"{path}" is a symbolic link: a run directory must not contain any', help=help)


def recover(run: Path, disk: Disk) -> None:
    """Clean up after a killed writer: commit a complete staged take, remove other leftovers, cut a torn log line."""
    for folder in run.glob(f"{STAGING}*"):
        take = read_take(folder / "new")
        if isinstance(take, Take) and not _is_committed(run, take):
            place_take(run, folder / "new", take.record, disk)
        disk.remove(folder)
    _recover_story(run, disk)
    pending = pending_path(Path("*")).name
    for pattern in (pending, f"{INPUTS}/{pending}", f"{REFERENCES}/{pending}", f"{SHOTS}/*/*/{pending}"):
        for leftover in run.glob(pattern):
            disk.remove(leftover)
    _cut_torn_line(run / EVENTS, disk)


def _cut_torn_line(events: Path, disk: Disk) -> None:
    """Cut the last line of the log if it has no end."""
    try:
        with read_errors_coded(events), open_regular(events) as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - MAX_LINE))
            tail = log.read()
    except (FileNotFoundError, ValueError):  # not a regular file: writing to it is refused
        return
    if tail and not tail.endswith(b"\n"):
        disk.truncate(events, size - len(tail) + tail.rfind(b"\n") + 1)


def _is_committed(run: Path, take: Take) -> bool:
    """Whether an undamaged take with the same key is in its place."""
    return isinstance(read_take(take_folder(run, take.record.shot, take.record.key)), Take)


def _recover_story(run: Path, disk: Disk) -> None:
    """Rename a pending story.yaml to its final name if run.json already refers to it."""
    story = run / STORY
    try:
        state = read_state(run)
    except OnestoryError:  # reported by the command that reads the state
        return
    if state and has_digest(pending_path(story), sha256(state.source)):
        disk.rename(pending_path(story), story)
