"""Find the run directory that a command means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import ExitCode, OnestoryError

if TYPE_CHECKING:
    from onestory_cli.store.run import Run

STORY_SUFFIXES = (".yaml", ".yml")


def folder_for(story: Path) -> Path:
    """The default run directory of a story: `film.run` next to `film.story.yaml`.

    Raises:
        OnestoryError: R416 if it is a symbolic link. Use `--run` to render to another place.
    """
    stem = story.name.removesuffix(story.suffix).removesuffix(".story")
    folder = story.with_name(f"{stem}.run")
    if folder.is_symlink():
        from onestory_cli.store.recovery import link_in_run

        raise link_in_run(folder)
    return folder


def story_for(run: Path) -> Path | None:
    """The story that a run directory is next to: the reverse of `folder_for`; None if there is none."""
    stem = run.resolve().name.removesuffix(".run")
    names = [f"{stem}.story.yaml", f"{stem}.story.yml", f"{stem}.yaml", f"{stem}.yml"]
    return next((path for name in names if (path := run.resolve().with_name(name)).is_file()), None)


def existing_run(folder: Path) -> Run | None:
    """The run directory at `folder`; None if there is nothing."""
    from onestory_cli.store.run import Run

    return Run.open(folder) if folder.exists() else None


def find_run(folder: Path | None) -> Run:
    """The run directory at `folder`, or of the story there. Without one: the current folder, or the only run in it.

    Raises:
        OnestoryError: R402 if `folder` is not a run directory, U604 if there is none here or more than one.
    """
    from onestory_cli.store.layout import STATE
    from onestory_cli.store.run import Run

    here = Path()
    if folder is not None and folder.suffix in STORY_SUFFIXES and not folder.is_dir():
        folder = folder_for(folder)
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
    help = "name one: the folder film.run that `onestory render` wrote next to film.story.yaml"
    return OnestoryError("U604", "no run directory here", help=help, exit=ExitCode.USAGE)
