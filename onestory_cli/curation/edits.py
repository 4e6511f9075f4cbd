"""`SET/captions.yaml`: what a person changed. It survives reruns, and overrides every stage.

3f9a12ab@12.480:
  caption: The same fox waves from a red boat.
  reject: false        # keep a shot that a filter rejected, or true to reject one
  start: 12.6          # seconds
  end: 15.0
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from onestory_cli.curation.filters import CuratedShot
from onestory_cli.errors import OnestoryError
from onestory_cli.utils.parsing import parse
from onestory_cli.utils.untrusted import read_yaml

FILE = "captions.yaml"
MAX_BYTES = 4 * 2**20


@dataclass(frozen=True, kw_only=True)
class ShotEdit:
    """What replaces the results of the stages for one shot; None keeps them."""

    caption: str | None = None
    reject: bool | None = None
    start: float | None = None
    end: float | None = None


def read_edits(folder: Path) -> Mapping[str, ShotEdit]:
    """Return the edits of a set by shot id; none where there is no file.

    Raises:
        OnestoryError: T651 for a file that cannot be read, or has unknown keys.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        tree = read_yaml(path, limit=MAX_BYTES) or {}
        edits: Mapping[str, ShotEdit] = parse(Mapping[str, ShotEdit], tree, where=FILE)
    except (OSError, ValueError) as fault:
        message = f"{path}: {getattr(fault, 'strerror', None) or fault}"
        raise OnestoryError("T651", message, help="a shot has the keys caption, reject, start and end") from fault
    return edits


def apply_time(shot: CuratedShot, edit: ShotEdit | None) -> CuratedShot:
    """Return the shot with the edited times; called before the filters."""
    if edit is None:
        return shot
    start = shot.start if edit.start is None else edit.start
    end = shot.end if edit.end is None else edit.end
    return replace(shot, start=start, end=max(end, start))


def apply_reject(shot: CuratedShot, edit: ShotEdit | None) -> CuratedShot:
    """Return the shot kept or rejected as the edit says; called after the filters."""
    if edit is None or edit.reject is None:
        return shot
    return replace(shot, rejected=("rejected in captions.yaml",) if edit.reject else ())


def apply_caption(shot: CuratedShot, edit: ShotEdit | None) -> CuratedShot:
    """Return the shot with the edited caption, which is also the final one."""
    if edit is None or edit.caption is None:
        return shot
    return replace(shot, rewritten=edit.caption, rewrite_fault="", corrected=True)
