"""Add the characters and settings of included files to a story: `include: [cast.yaml]`.

An included file has `characters`, `settings` and notes, and nothing else. Its pictures are relative to it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from onestory_cli.errors import Diagnostic, Findings, OnestoryError, shorten, unplaced
from onestory_cli.story.assets import AssetKind, find_problem
from onestory_cli.story.schema import check
from onestory_cli.story.source import KeyPath, StorySource, parse
from onestory_cli.story.text import MAX_BYTES
from onestory_cli.story.types import IncludedFile, Story

SECTIONS = ("characters", "settings")
ReadIncluded = Callable[[str], bytes]  # path as written -> bytes


@dataclass(frozen=True, kw_only=True)
class Inclusion:
    """A story with its included files: places and values of both, and the findings about included files."""

    source: StorySource
    value: dict[str, Any]
    valid: dict[str, Any]
    files: tuple[IncludedFile, ...] = ()
    findings: tuple[Diagnostic, ...] = ()


def include(source: StorySource, value: dict[str, Any], valid: dict[str, Any], read: ReadIncluded) -> Inclusion:
    """Add the files that a checked story names. `value` and `valid` are those of a `SchemaResult`.

    A file that `read` cannot read gets its finding at its entry in the story, and the others are still added.
    """
    done = Inclusion(source=source, value=value, valid=valid)
    for index, written in enumerate(value.get("include", [])):
        try:
            if written is not None:
                done = _with_file(done, written, read(written))
        except OnestoryError as fault:
            found = (
                item if item.place else replace(item, place=source.place(("include", index)))
                for item in fault.diagnostics
            )
            done = replace(done, findings=(*done.findings, *found))
    return done


def read_from_folder(folder: Path, *, allow_outside: bool) -> ReadIncluded:
    """Read included files from the folder of the story.

    The reader raises S150 or S151 for a file outside the folder, and S164 for one that cannot be read.
    """
    return partial(_read, folder=folder, allow_outside=allow_outside)


def open_source(data: bytes, path: str, *, folder: Path) -> StorySource:
    """The values and places of a story and of its included files, without findings about either.

    Raises:
        Findings: the text of the story or its YAML cannot be read.
    """
    source = parse(data, path)
    value = source.value if isinstance(source.value, dict) else {}
    entries = value.get("include")
    names = [item for item in entries if isinstance(item, str)] if isinstance(entries, list) else []
    return include(source, {"include": names}, {}, read_from_folder(folder, allow_outside=False)).source


def source_of(story: Story) -> StorySource:
    """The source of a loaded story. Its places include those of included files; its value does not."""
    included: dict[KeyPath, StorySource] = {}
    for item in story.included:
        source = parse(item.source, _shown_path(story.path, item.path))
        included |= {(section, id): source for section in SECTIONS for id in item.ids if source.has((section, id))}
    return replace(parse(story.source, story.path), included=included)


def _read(written: str, *, folder: Path, allow_outside: bool) -> bytes:
    kind = AssetKind(noun="included file", missing="S164", unreadable="S164", inspect=_not_a_file)
    if finding := find_problem(written, kind, folder, allow_outside):
        raise Findings((finding,))
    try:
        with (folder / written).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as fault:
        message = f'cannot read "{shorten(written)}": {fault.strerror}'
        raise OnestoryError("S164", message, help="check the file permissions") from fault


def _shown_path(story: str, written: str) -> str:
    return str(Path(story).parent / written)


def _not_a_file(file: Path, name: str) -> Diagnostic | None:
    help = "name a YAML file with characters and settings"
    return None if file.is_file() else unplaced("S164", f"{name} is not a file", help)


def _with_file(done: Inclusion, written: str, data: bytes) -> Inclusion:
    source = parse(data, _shown_path(done.source.text.path, written))
    checked = check(source, definition="cast")
    values, valid = checked.value or {}, checked.valid or {}
    own = _ids(done.value)
    new = [entry for entry in _ids(values) if entry not in own]
    repeated = tuple(_repeated(done.source, source, entry) for entry in _ids(values) if entry in own)
    return Inclusion(
        source=replace(
            done.source,
            value=_merged(done.source.value, source.value, new, written),
            included={**done.source.included, **dict.fromkeys(new, source)},
        ),
        value=_merged(done.value, values, new, written),
        valid=_merged(done.valid, valid, new, written),
        files=(*done.files, IncludedFile(path=written, source=data, ids=tuple(id for _, id in new))),
        findings=(*done.findings, *source.findings, *checked.findings, *repeated),
    )


def _ids(tree: dict[str, Any]) -> list[tuple[str, str]]:
    return [(section, id) for section in SECTIONS for id in tree.get(section, {})]


def _merged(story: Any, included: Any, entries: list[tuple[str, str]], written: str) -> Any:
    """A copy of a story with entries of an included file. The paths of their pictures become relative to the story."""
    if not isinstance(story, dict) or not isinstance(included, dict):
        return story
    merged = {**story}
    for section, id in entries:
        if id in (given := included.get(section) or {}):
            merged[section] = {**merged.get(section, {}), id: _moved(given[id], written)}
    return merged


def _moved(entry: Any, written: str) -> Any:
    image = entry.get("image") if isinstance(entry, dict) else None
    if not isinstance(image, str) or not image.strip():
        return entry
    return {**entry, "image": posixpath.normpath(posixpath.join(posixpath.dirname(written), image))}


def _repeated(story: StorySource, source: StorySource, path: tuple[str, str]) -> Diagnostic:
    first = story.key_place(path)
    return Diagnostic(
        code="S133",
        message=f'"{path[1]}" is declared in two files',
        place=source.key_place(path),
        help=f"rename or delete one of the two; the other is in {first.path}:{first.line}",
    )
