"""Load a story file, or report everything that is wrong with it at once. No model is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from onestory_cli.errors import Diagnostic, ExitCode, Findings, OnestoryError, closest, did_you_mean, shorten
from onestory_cli.story.assets import check_assets, lora_entries
from onestory_cli.story.captions import check_captions
from onestory_cli.story.include import include, read_from_folder
from onestory_cli.story.lints import lint
from onestory_cli.story.merge import build_story
from onestory_cli.story.schema import check, position, spot
from onestory_cli.story.source import MAX_FINDINGS, KeyPath, StorySource, parse
from onestory_cli.story.text import MAX_BYTES
from onestory_cli.story.types import MAX_SEED, Story
from onestory_cli.utils.system import WINDOWS_DEVICES

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
    if checked.value is None or checked.valid is None:
        return StoryReading(story=None, errors=tuple(sorted(found, key=position)))
    _require_profile(checked.value, profile)
    folder = Path(path).parent if folder is None else folder
    whole = include(source, checked.value, checked.valid, read_from_folder(folder, allow_outside=allow_outside))
    source, tree, found = whole.source, whole.value, [*found, *whole.findings]
    story, cast = build_story(source, tree, profile=profile, seed=seed, included=whole.files)
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
        story, _ = build_story(source, whole.valid, profile=profile, seed=seed, included=whole.files)
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
    taken = {spot(item) for item in known}
    return [item for item in findings if spot(item) not in taken]


def check_ids(source: StorySource, tree: dict[str, Any]) -> Iterator[Diagnostic]:
    """S127 a shot id that Windows reserves, S130 a duplicate one, S131 an id of both a character and a setting."""
    first: dict[str, int] = {}
    for index, shot in enumerate(tree.get("shots", [])):
        path: KeyPath = ("shots", index, "id")
        if (id := shot.get("id")) is None:
            continue
        if id in first:
            line = source.place(("shots", first[id], "id")).line
            help = f"rename one of them; the first is in line {line}"
            yield Diagnostic(code="S130", message=f'duplicate shot id "{id}"', place=source.place(path), help=help)
        first.setdefault(id, index)
        if id in WINDOWS_DEVICES:
            message = f'"{id}" cannot be the id of a shot: Windows has no folders of that name'
            yield Diagnostic(code="S127", message=message, place=source.place(path), help=f'write "shot-{id}"')
    for id in tree.get("settings", {}):
        if id in tree.get("characters", {}):
            yield Diagnostic(
                code="S131",
                message=f'"{id}" is both a character and a setting',
                place=source.key_place(("settings", id)),
                help="rename one of them, and update the captions that mention it",
            )


def check_alternatives(source: StorySource, tree: dict[str, Any]) -> Iterator[Diagnostic]:
    """S132 two keys for the same thing."""
    profiles = tree.get("profiles", {})
    layers: list[tuple[KeyPath, dict[str, Any]]] = [(("defaults",), tree.get("defaults", {}))]
    layers += [(("profiles", name), profiles[name]) for name in profiles]
    layers += [(("shots", index), shot) for index, shot in enumerate(tree.get("shots", []))]
    for path, values in layers:
        if "duration" in values and "frames" in values:
            place = source.key_place((*path, "frames"))
            help = "both set the length: delete one"
            yield Diagnostic(code="S132", message='"duration" and "frames" cannot be combined', place=place, help=help)
    if "seed" in tree and "seed" in tree.get("defaults", {}):
        yield Diagnostic(
            code="S132",
            message='"seed" at the top and in "defaults" cannot be combined',
            place=source.key_place(("defaults", "seed")),
            help="both set the seed of the story: delete one",
        )


def check_loras(source: StorySource, tree: dict[str, Any]) -> Iterator[Diagnostic]:
    """S157 a LoRA without a file, S132 one with two."""
    for path, entry in lora_entries(tree):
        if "path" in entry and ("hub" in entry or "file" in entry):
            message = '"path" and "hub" of a LoRA cannot be combined'
            help = "both name the file: delete one"
            yield Diagnostic(code="S132", message=message, place=source.place((*path, "path")), help=help)
        elif "path" not in entry and not {"hub", "file"} <= entry.keys():
            help = "write `path: FILE`, or `hub: owner/name` and `file: FILE`"
            yield Diagnostic(code="S157", message="a LoRA without a file", place=source.place(path), help=help)


def check_memory(source: StorySource, tree: dict[str, Any]) -> Iterator[Diagnostic]:
    """S160 to S163 for `memory.from`."""
    order: dict[str, int] = {}
    for index, shot in enumerate(tree.get("shots", [])):
        order.setdefault(shot.get("id", ""), index)
    for index, shot in enumerate(tree.get("shots", [])):
        named: set[str] = set()
        for number, id in enumerate(shot.get("memory", {}).get("from", [])):
            if id is not None and (fault := _memory_fault(id, index, order, named)):
                yield replace(fault, place=source.place(("shots", index, "memory", "from", number)))
            named.add(id)


def _memory_fault(id: str, index: int, order: dict[str, int], named: set[str]) -> Diagnostic | None:
    """The finding, without a place, for shot number `index` remembering shot `id`; None if it is fine."""
    if id not in order:
        near = did_you_mean(id, (other for other in order if order[other] < index))
        help = near or "use the ids of earlier shots"
        return Diagnostic(code="S160", message=f'unknown shot "{shorten(id)}" in `memory.from`', help=help)
    if order[id] == index:
        help = "use the ids of earlier shots, or delete `from` to remember all of them"
        return Diagnostic(code="S162", message=f'shot "{id}" cannot remember itself', help=help)
    if order[id] > index:
        help = "a shot can only remember earlier shots: use one of those, or move the shot"
        return Diagnostic(code="S161", message=f'shot "{id}" comes later', help=help)
    if id in named:
        return Diagnostic(code="S163", message=f'shot "{id}" is listed twice', help="delete one of the two")
    return None
