"""Load a story file, or report everything that is wrong with it at once. No model is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from onestory_cli.errors import Diagnostic, ExitCode, Findings, OnestoryError, closest, did_you_mean, shorten
from onestory_cli.story.assets import check_assets
from onestory_cli.story.captions import check_captions
from onestory_cli.story.lints import lint
from onestory_cli.story.merge import build_story
from onestory_cli.story.schema import check, position
from onestory_cli.story.source import MAX_FINDINGS, parse
from onestory_cli.story.text import MAX_BYTES
from onestory_cli.story.types import MAX_SEED, Story
from onestory_cli.story.validate import check_alternatives, check_ids, check_loras, check_memory

# Warnings that may be wrong if a reference is misspelt, or if captions are missing because of other errors.
_DOUBTFUL_AFTER_TYPOS = frozenset({"W302", "W303"})
_DOUBTFUL_AFTER_FAULTS = frozenset({"W301", "W302", "W303", "W312"})


@dataclass(frozen=True, kw_only=True)
class StoryReading:
    """The valid parts of a story file. `story` is None after too many errors, and complete without errors."""

    story: Story | None
    errors: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


def load_story(
    path: str | Path, *, profile: str | None = None, seed: int | None = None, allow_outside: bool = False
) -> tuple[Story, tuple[Diagnostic, ...]]:
    """The story in a file, and warnings about it.

    `profile` names one of the story's profiles, `seed` replaces the story's seed, and `allow_outside` allows files
    outside the story's folder.

    Raises:
        Findings: the story has errors; all of them, and the warnings.
        OnestoryError: S101 the file cannot be read, U602 unknown profile, S125 seed out of range.
    """
    if seed is not None and not 0 <= seed <= MAX_SEED:
        help = f"use a seed from 0 to {MAX_SEED}, as in a story"
        raise OnestoryError("S125", f"seed must be from 0 to {MAX_SEED}, not {seed}", help=help)
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
    """Like `load_story`, from bytes. `path` is for findings; pictures are in `folder`, by default that of `path`."""
    read = examine_story(data, path, profile=profile, seed=seed, allow_outside=allow_outside, folder=folder)
    if read.errors or read.story is None:
        raise Findings(tuple(sorted((*read.errors, *read.warnings), key=position)))
    return read.story, read.warnings


def examine_story(
    data: bytes,
    path: str,
    *,
    profile: str | None = None,
    seed: int | None = None,
    allow_outside: bool = False,
    folder: Path | None = None,
) -> StoryReading:
    """Like `read_story`, but returns errors with the story as far as it is valid.

    Raises:
        Findings: the text or its YAML cannot be read.
        OnestoryError: U602 unknown profile.
    """
    source = parse(data, path)
    checked = check(source)
    found = [*source.findings, *_elsewhere(checked.findings, source.findings)]
    tree, valid = checked.value, checked.valid
    if tree is None or valid is None:
        return StoryReading(story=None, errors=tuple(sorted(found, key=position)))
    _require_profile(tree, profile)
    story, cast = build_story(source, tree, profile=profile, seed=seed)
    folder = Path(path).parent if folder is None else folder
    checks: tuple[Iterator[Diagnostic], ...] = (
        check_ids(source, tree),
        check_alternatives(source, tree),
        check_loras(source, tree),
        check_captions(source, story.shots, cast),
        check_memory(source, tree),
        check_assets(source, tree, folder=folder, allow_outside=allow_outside),
    )
    errors = list(chain.from_iterable(islice(check, MAX_FINDINGS) for check in checks))
    errors = [*found, *_elsewhere(errors, found)]
    warnings = islice(lint(source, tree, story), MAX_FINDINGS)
    doubtful = _DOUBTFUL_AFTER_FAULTS if found else _DOUBTFUL_AFTER_TYPOS if _has_typo(errors) else frozenset()
    if found:
        story, _ = build_story(source, valid, profile=profile, seed=seed)
    return StoryReading(
        story=story,
        errors=tuple(sorted(errors, key=position)),
        warnings=tuple(sorted((item for item in warnings if item.code not in doubtful), key=position)),
    )


def _has_typo(errors: Iterable[Diagnostic]) -> bool:
    return any(item.code == "S104" for item in errors)


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, at most one more than a story may have.

    Raises:
        OnestoryError: S101 the file cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise _unreadable(path, "it is not a file", "name a .story.yaml file")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as fault:
        raise _unreadable(path, "no such file", _similar(path) or "run `onestory new NAME` to write a story") from fault
    except (OSError, ValueError) as fault:  # ValueError: a name that no file can have
        why = getattr(fault, "strerror", None) or str(fault)
        raise _unreadable(path, why, "check the path and the file permissions") from fault


def _similar(path: Path) -> str:
    """A hint that names a story in the same folder with a similar name. Suffixes are not compared."""
    siblings = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    names = {name.split(".")[0]: name for name in sorted(siblings, reverse=True) if name.endswith((".yaml", ".yml"))}
    near = closest(path.name.split(".")[0], names)
    return f'did you mean "{shorten(names[near])}"?' if near else ""


def _unreadable(path: Path, why: str, help: str) -> OnestoryError:
    return OnestoryError("S101", f'cannot read "{shorten(path, 200)}": {why}', help=help)


def _require_profile(tree: dict[str, Any], profile: str | None) -> None:
    profiles = tree.get("profiles", {})
    if profile is not None and profile not in profiles:
        known = ", ".join(map(shorten, islice(profiles, 10)))
        help = did_you_mean(profile, profiles) or (f"its profiles are {known}" if profiles else "it has no profiles")
        message = f'the story has no profile "{shorten(profile)}"'
        raise OnestoryError("U602", message, help=help, exit=ExitCode.USAGE)


def _elsewhere(findings: Iterable[Diagnostic], known: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The findings at places that have none yet: a rejected alias is also not a number."""
    taken = {position(item)[:2] for item in known}
    return [item for item in findings if position(item)[:2] not in taken]
