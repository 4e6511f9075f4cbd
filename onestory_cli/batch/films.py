"""The films of a batch: story files from words of a command line, times profiles and seeds; each with a folder."""

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
class Film:
    """One film to be made: a story with what is asked of it, and the run directory that it is made in.

    `profile` and `seed` are None where the story's own hold.
    """

    name: str
    story: Path
    profile: str | None
    seed: int | None
    settings: tuple[Override, ...]
    run: Path


def find_stories(words: Iterable[str]) -> tuple[Path, ...]:
    """The story files that files, folders and patterns name, each once, in the order of the words.

    Raises:
        OnestoryError: B801 for a folder or a pattern without any.
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
        what = f'no file is called "{shorten(word)}"'
    else:
        return [path]  # whether it can be read is told with all that is wrong in it
    if not found:
        raise OnestoryError("B801", what, help="name story files, or a folder with some", exit=ExitCode.USAGE)
    return found


def films_of(
    stories: Sequence[Path],
    out: Path,
    *,
    profiles: Sequence[str] = (),
    seeds: Sequence[int] = (),
    settings: tuple[Override, ...] = (),
) -> tuple[Film, ...]:
    """Every story with every profile and every seed, in that order."""
    return tuple(
        _film(story, out, profile, seed, settings)
        for story, profile, seed in product(stories, profiles or (None,), seeds or (None,))
    )


def _film(story: Path, out: Path, profile: str | None, seed: int | None, settings: tuple[Override, ...]) -> Film:
    name = _name(story, out, profile, seed, settings)
    return Film(name=name, story=story, profile=profile, seed=seed, settings=settings, run=out / name)


def _name(story: Path, out: Path, profile: str | None, seed: int | None, settings: tuple[Override, ...]) -> str:
    """`the-kite-draft-seed2-3f9a12c0`: for people, and a digest of all that tells this film from every other one.

    Seen from `out`, a story has one path, wherever the command is given. No other film of the batch plays a part.
    """
    place = Path(os.path.relpath(story.resolve(), out.resolve())).as_posix()
    identity = "\0".join([place, profile or "", "" if seed is None else str(seed), *map(str, settings)])
    stem = story.name.removesuffix(story.suffix).removesuffix(".story")
    parts = [re.sub(r"[^\w.-]", "_", stem)[:_LONGEST_STEM], profile, None if seed is None else f"seed{seed}"]
    return "-".join([*filter(None, parts), hashlib.sha256(identity.encode()).hexdigest()[:8]])


def prepare(film: Film, plan: Plan) -> None:
    """Freeze the plan of a film in its run directory: from now on it can be made from nothing but that.

    Raises:
        OnestoryError: R4xx for what the disk or another process refuses.
    """
    run = Run.create(film.run)
    with lock_run(run) as writer:
        writer.freeze(plan)
