"""A story file -> Story, or all that is wrong with it at once. Everything that needs no model is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from onestory_cli.errors import Diagnostic, ExitCode, Findings, OnestoryError, closest, did_you_mean, shorten
from onestory_cli.story.captions import check_captions
from onestory_cli.story.images import check_images
from onestory_cli.story.lints import lint
from onestory_cli.story.loras import check_loras
from onestory_cli.story.merge import build_story
from onestory_cli.story.schema import check, position
from onestory_cli.story.sounds import check_sounds, named_sounds
from onestory_cli.story.source import MOST_FINDINGS, KeyPath, parse
from onestory_cli.story.text import MAX_BYTES
from onestory_cli.story.types import MOST_SEED, Story
from onestory_cli.story.validate import check_alternatives, check_ids, check_memory

# Warnings that a misspelt reference would make wrong.
_OF_MENTIONS = {"W302", "W303", "W304"}


def load_story(
    path: str | Path, *, profile: str | None = None, seed: int | None = None, allow_outside: bool = False
) -> tuple[Story, tuple[Diagnostic, ...]]:
    """The story in a file, and warnings about it.

    `profile` names one of the story's profiles, `seed` replaces the story's seed, and `allow_outside` lets pictures
    stand outside of the story's folder.

    Raises:
        Findings: the story has errors; all of them, and the warnings.
        OnestoryError: S101 the file cannot be read, U602 no such profile, S125 a seed that no story can have.
    """
    if seed is not None and not 0 <= seed <= MOST_SEED:
        help = "a film tells its seed as a story does"
        raise OnestoryError("S125", f"seed must be from 0 to {MOST_SEED}, not {seed}", help=help)
    return read_story(read_bytes(Path(path)), str(path), profile=profile, seed=seed, allow_outside=allow_outside)


def read_story(
    data: bytes,
    path: str,
    *,
    profile: str | None = None,
    seed: int | None = None,
    allow_outside: bool = False,
    folder: Path | None = None,
) -> tuple[Story, tuple[Diagnostic, ...]]:
    """The same for the bytes of a file. `path` is for findings; pictures are in `folder`, by default that of `path`."""
    source = parse(data, path)
    checked = check(source)
    found = [*source.findings, *_elsewhere(checked.findings, source.findings)]
    tree = checked.value
    if tree is None:
        raise Findings(tuple(sorted(found, key=position)))
    _require_profile(tree, profile)
    story, cast = build_story(source, tree, profile=profile, seed=seed)
    beside = Path(path).parent if folder is None else folder
    meaning = [
        *islice(check_ids(source, tree), MOST_FINDINGS),
        *islice(check_alternatives(source, tree), MOST_FINDINGS),
        *islice(check_captions(source, story.shots, cast), MOST_FINDINGS),
        *islice(check_memory(source, tree), MOST_FINDINGS),
        *islice(check_images(source, _named_images(tree), folder=beside, allow_outside=allow_outside), MOST_FINDINGS),
        *islice(check_loras(source, tree, folder=beside, allow_outside=allow_outside), MOST_FINDINGS),
        *islice(check_sounds(source, named_sounds(tree), folder=beside, allow_outside=allow_outside), MOST_FINDINGS),
    ]
    warnings = [] if found else list(islice(lint(source, story), MOST_FINDINGS))
    if found or meaning:
        misspelt = any(item.code == "S104" for item in meaning)
        warnings = [item for item in warnings if not misspelt or item.code not in _OF_MENTIONS]
        raise Findings(tuple(sorted((*found, *_elsewhere(meaning, found), *warnings), key=position)))
    return story, tuple(sorted(warnings, key=position))


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, or one more than a story may have.

    Raises:
        OnestoryError: S101 the file cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise _unreadable(path, "it is not a file", "name a .story.yaml file")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as fault:
        raise _unreadable(path, "no such file", _near(path) or "`onestory new NAME` writes a story") from fault
    except (OSError, ValueError) as fault:  # ValueError: a name that no file can have
        why = getattr(fault, "strerror", None) or str(fault)
        raise _unreadable(path, why, "check the path and the permissions of the file") from fault


def _near(path: Path) -> str:
    """A story beside `path` whose name is like it; what all their names end in counts for nothing."""
    beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    names = {name.split(".")[0]: name for name in sorted(beside, reverse=True) if name.endswith((".yaml", ".yml"))}
    near = closest(path.name.split(".")[0], names)
    return f'did you mean "{shorten(names[near])}"?' if near else ""


def _unreadable(path: Path, why: str, help: str) -> OnestoryError:
    return OnestoryError("S101", f'"{shorten(path, 200)}" cannot be read: {why}', help=help)


def _require_profile(tree: dict[str, Any], profile: str | None) -> None:
    profiles = tree.get("profiles", {})
    if profile is not None and profile not in profiles:
        have = f"the story has {', '.join(map(shorten, islice(profiles, 10)))}" if profiles else "the story has none"
        help = did_you_mean(profile, profiles) or have
        raise OnestoryError("U602", f'no profile "{shorten(profile)}" in the story', help=help, exit=ExitCode.USAGE)


def _elsewhere(findings: Iterable[Diagnostic], known: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The findings that are not about a place that has one already: a refused alias is also no number."""
    taken = {position(item)[:2] for item in known}
    return [item for item in findings if position(item)[:2] not in taken]


def _named_images(tree: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    for kind in ("characters", "settings"):
        for id, item in tree.get(kind, {}).items():
            if item.get("image", "").strip():
                yield (kind, id, "image"), item["image"]
    for index, shot in enumerate(tree.get("shots", [])):
        if shot.get("image", "").strip():
            yield ("shots", index, "image"), shot["image"]
