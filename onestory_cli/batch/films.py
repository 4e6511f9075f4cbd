"""List the films of a batch: story files x profiles x seeds, each with a run directory."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.planning.jobs import Plan
from onestory_cli.store.run import Run
from onestory_cli.store.writer import lock_run
from onestory_cli.story.overrides import Override

STORIES = "*.story.yaml"
_LONGEST_STEM = 60


@dataclass(frozen=True, kw_only=True)
class BatchFilm:
    """One film: story, options and run directory.

    `profile` and `seed` are None to use those of the story. `server` is that of an external model, which renders one
    film at a time; "" for other models and before the story is planned.
    """

    name: str
    story: Path
    profile: str | None
    seed: int | None
    settings: tuple[Override, ...]
    run: Path
    server: str = ""


def find_stories(words: Iterable[str]) -> tuple[Path, ...]:
    """Expand files, folders and glob patterns to story files, without duplicates, in order.

    Raises:
        OnestoryError: B801 for a folder or pattern without stories.
    """
    found: dict[Path, Path] = {}
    for word in words:
        for path in _stories_of(word):
            found.setdefault(path.resolve(), path)
    return tuple(found.values())


def _stories_of(word: str) -> list[Path]:
    path = Path(word)
    if path.is_dir():
        found = sorted(item for item in path.rglob(STORIES) if item.is_file())
        what = f'the folder "{shorten(word)}" has no {STORIES}'
    elif glob.has_magic(word) and not path.exists():
        found = sorted(Path(item) for item in glob.glob(word, recursive=True) if Path(item).is_file())
        what = f'no file matches "{shorten(word)}"'
    else:
        return [path]  # an unreadable file is reported with the other findings
    if not found:
        raise OnestoryError("B801", what, help="pass story files, or a folder that contains some", exit=ExitCode.USAGE)
    return found


def list_films(
    stories: Sequence[Path],
    out: Path,
    *,
    profiles: Sequence[str] = (),
    seeds: Sequence[int] = (),
    settings: tuple[Override, ...] = (),
) -> tuple[BatchFilm, ...]:
    """Every combination of story, profile and seed, in that order."""
    return tuple(
        _film(story, out, profile, seed, settings)
        for story, profile, seed in product(stories, profiles or (None,), seeds or (None,))
    )


def _film(story: Path, out: Path, profile: str | None, seed: int | None, settings: tuple[Override, ...]) -> BatchFilm:
    name = _name(story, out, profile, seed, settings)
    return BatchFilm(name=name, story=story, profile=profile, seed=seed, settings=settings, run=out / name)


def _name(story: Path, out: Path, profile: str | None, seed: int | None, settings: tuple[Override, ...]) -> str:
    """A readable name plus a digest of story path, profile, seed and settings: `the-kite-draft-seed2-3f9a12c0`.

    The path is relative to `out`, so the name depends neither on the working directory nor on other films.
    """
    place = Path(os.path.relpath(story.resolve(), out.resolve())).as_posix()
    identity = "\0".join([place, profile or "", "" if seed is None else str(seed), *map(str, settings)])
    stem = story.name.removesuffix(story.suffix).removesuffix(".story")
    parts = [re.sub(r"[^\w.-]", "_", stem)[:_LONGEST_STEM], profile, None if seed is None else f"seed{seed}"]
    return "-".join([*filter(None, parts), hashlib.sha256(identity.encode()).hexdigest()[:8]])


def prepare(film: BatchFilm, plan: Plan) -> None:
    """Write the plan of a film into its run directory, so that workers need nothing else.

    Raises:
        OnestoryError: R4xx if the directory cannot be written or is locked.
    """
    run = Run.create(film.run)
    with lock_run(run) as writer:
        writer.freeze(plan)
