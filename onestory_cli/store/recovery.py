"""What a writer does first: links are refused, and what a killed writer left behind is kept or cleared up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import OnestoryError
from onestory_cli.store.disk import has_digest, pending_path, sha256
from onestory_cli.store.layout import EVENTS, INPUTS, SHOTS, STAGING, STORY
from onestory_cli.store.references import REFERENCES
from onestory_cli.store.takes import Take, read_take

if TYPE_CHECKING:
    from onestory_cli.store.record import Record
    from onestory_cli.store.run import Run


def refuse_links(run: Path) -> None:
    """A run that came with somebody's story may hold links, and what is written through one lands elsewhere.

    Raises:
        OnestoryError: R416 for a link in place of one of the run's own files or folders.
    """
    for pattern in ("*", f"{INPUTS}/*", f"{SHOTS}/*", f"{SHOTS}/*/*"):
        for item in run.glob(pattern):
            if item.is_symlink():
                raise link_in_run(item)


def link_in_run(path: Path) -> OnestoryError:
    help = "remove the link, or name another run directory with --run DIR"
    return OnestoryError("R416", f'"{path}" is a link, and a run is not written through links', help=help)


def recover(run: Run) -> None:
    """Clear up after a killed writer: a whole staged take is kept, a torn last line of the log is cut."""
    for folder in run.path.glob(f"{STAGING}*"):
        take = read_take(folder / "new")
        if isinstance(take, Take) and not _has_take(run, take.record):
            run.put(folder / "new", take.record)
        run.disk.remove(folder)
    _recover_story(run)
    anything = pending_path(Path("*")).name
    for pattern in (anything, f"{INPUTS}/{anything}", f"{REFERENCES}/{anything}", f"{SHOTS}/*/*/{anything}"):
        for leftover in run.path.glob(pattern):
            run.disk.remove(leftover)
    events = run.path / EVENTS
    if events.exists() and (data := events.read_bytes()) and not data.endswith(b"\n"):
        run.disk.cut(events, data.rfind(b"\n") + 1)


def _has_take(run: Run, record: Record) -> bool:
    """Whether a whole take of this key is there; a damaged one is none."""
    return isinstance(read_take(run.take_folder(record.shot, record.key)), Take)


def _recover_story(run: Run) -> None:
    story = run.path / STORY
    try:
        state = run.state()
    except OnestoryError:  # told and mended by whoever uses the state
        return
    if state and has_digest(pending_path(story), sha256(state.source)):
        run.disk.rename(pending_path(story), story)
