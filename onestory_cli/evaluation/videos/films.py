"""Read the clips of a run directory or a folder, with captions and names if there is a story."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.store.inputs import story_of
from onestory_cli.store.layout import STATE
from onestory_cli.store.run import Run
from onestory_cli.store.take_query import accepted_takes
from onestory_cli.story.types import Shot, Story
from onestory_cli.utils.text import shell_quote

SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"}


@dataclass(frozen=True, kw_only=True)
class Clip:
    """The clip of one shot. `caption` is resolved; `characters` and `settings` are the ids that it names."""

    shot: str
    path: Path
    caption: str | None = None
    characters: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MeasuredFilm:
    """Clips in film order, and the descriptions of the characters (`looks`) and settings (`places`) in their captions.

    missing: shots of the story without a complete clip
    """

    name: str
    clips: tuple[Clip, ...]
    looks: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def read_film(folder: Path, story: Story | None = None) -> MeasuredFilm:
    """Read the film of a run directory or of a folder of clips; `story` describes the clips of a folder.

    Clips are matched to shots by name (opening.mp4 is the shot "opening"), or by order.

    Raises:
        OnestoryError: T632 without clips, T633 if clips and story do not match, R4xx for a damaged run.
    """
    if (folder / STATE).is_file():
        return _of_run(folder, story)
    paths = {path.stem: path for path in _clips(folder)}
    if not paths:
        help = "name a run directory with finished shots, or a folder of .mp4 files"
        raise OnestoryError("T632", f'"{folder}" contains no clips', help=help, exit=ExitCode.USAGE)
    if story is None:
        return MeasuredFilm(
            name=folder.resolve().name, clips=tuple(Clip(shot=name, path=path) for name, path in paths.items())
        )
    return _of_story(folder, story, _matched(folder, paths, story))


def _of_run(folder: Path, story: Story | None) -> MeasuredFilm:
    run = Run.open(folder)
    state = run.state()
    assert state is not None, "it has a run.json"
    frozen = story_of(run, state)
    takes = accepted_takes(run.path, state, [shot.id for shot in frozen.shots]).takes
    if not takes:
        help = f"render its shots with `onestory resume {shell_quote(folder)}`"
        raise OnestoryError("T632", f'"{folder}" contains no finished shots', help=help, exit=ExitCode.USAGE)
    captions = {} if story else {name: str(take.record.spec["caption"]) for name, take in takes.items()}
    paths = {name: take.clip for name, take in takes.items()}
    return _of_story(folder, story or frozen, _matched(folder, paths, story) if story else paths, captions)


def _of_story(
    folder: Path, story: Story, paths: Mapping[str, Path], captions: Mapping[str, str] | None = None
) -> MeasuredFilm:
    shots = [shot for shot in story.shots if shot.id in paths]
    named = {mention.id for shot in shots for mention in shot.mentions}
    return MeasuredFilm(
        name=folder.resolve().name,
        clips=tuple(
            _clip(shot, paths[shot.id], (captions or {}).get(shot.id, shot.resolved_caption)) for shot in shots
        ),
        looks={item.id: " ".join(item.look.split()) for item in story.characters if item.id in named},
        places={item.id: " ".join(item.look.split()) for item in story.settings if item.id in named},
        missing=tuple(shot.id for shot in story.shots if shot.id not in paths),
    )


def _clip(shot: Shot, path: Path, caption: str) -> Clip:
    def named(kind: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(mention.id for mention in shot.mentions if mention.kind == kind))

    return Clip(shot=shot.id, path=path, caption=caption, characters=named("character"), settings=named("setting"))


def _matched(folder: Path, paths: Mapping[str, Path], story: Story) -> dict[str, Path]:
    """The path of each clip by the id of its shot."""
    ids = [shot.id for shot in story.shots]
    strange = [name for name in paths if name not in ids]
    if not strange:
        return dict(paths)
    if len(strange) == len(paths) == len(ids):
        return dict(zip(ids, paths.values(), strict=True))
    raise OnestoryError(
        "T633",
        f'the clips in "{folder}" do not match the story: it has no shot {shorten(", ".join(strange[:3]), 60)}',
        help=f"name clips after shots ({shorten(', '.join(ids[:3]), 60)}, ...), or provide one per shot, in order",
        exit=ExitCode.USAGE,
    )


def _clips(folder: Path) -> Iterator[Path]:
    """The video files of a folder in natural order (2 before 10)."""
    found = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES) if folder.is_dir() else ()
    yield from sorted(
        found,
        key=lambda path: [
            (part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", path.name)
        ],
    )
