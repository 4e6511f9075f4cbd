"""Which run directory a command means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import ExitCode, OnestoryError

if TYPE_CHECKING:
    from onestory_cli.store.run import Run


def folder_for(story: Path) -> Path:
    """`film.run` beside `film.story.yaml`.

    Raises:
        OnestoryError: R416 when that is a link: whoever wants another place names it with `--run`.
    """
    stem = story.name.removesuffix(story.suffix).removesuffix(".story")
    folder = story.with_name(f"{stem}.run")
    if folder.is_symlink():
        from onestory_cli.store.recovery import link_in_run

        raise link_in_run(folder)
    return folder


def existing_run(folder: Path) -> Run | None:
    """The run directory at `folder`, or None when nothing was rendered there yet."""
    from onestory_cli.store.run import Run

    return Run.open(folder) if folder.exists() else None


def find_run(folder: Path | None) -> Run:
    """The run directory that was named; else the one that we are in; else the only one here.

    Raises:
        OnestoryError: R402 for a folder that is none, U604 when there is none here or more than one.
    """
    from onestory_cli.store.layout import STATE
    from onestory_cli.store.run import Run

    here = Path()
    if folder is None:
        found = [here] if (here / STATE).exists() else sorted(path.parent for path in here.glob(f"*.run/{STATE}"))
        if len(found) != 1:
            raise _unclear(found)
        folder = found[0]
    return Run.open(folder)


def _unclear(found: list[Path]) -> OnestoryError:
    if found:
        names = ", ".join(str(path) for path in found)
        return OnestoryError("U604", "which run directory?", help=f"name one of {names}", exit=ExitCode.USAGE)
    help = "name one: the folder film.run that `onestory render` wrote beside film.story.yaml"
    return OnestoryError("U604", "there is no run directory here", help=help, exit=ExitCode.USAGE)
