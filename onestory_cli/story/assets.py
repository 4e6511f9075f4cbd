"""Check the pictures, sounds and LoRA files that a story names: inside its folder, present, readable, not too large."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from onestory_cli.errors import Diagnostic, did_you_mean, shorten, unplaced
from onestory_cli.story.pictures import PictureCheck
from onestory_cli.story.sounds import SoundCheck
from onestory_cli.story.source import KeyPath, StorySource

MAX_FILES, MAX_TOTAL_BYTES = 1000, 256 * 1024 * 1024  # per kind and story; LoRA files are not counted
LORA_SUFFIX = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class AssetKind:
    """A kind of file: its codes, and a function (file, name for messages) -> finding that looks into the file."""

    noun: str
    missing: str
    unreadable: str
    inspect: Callable[[Path, str], Diagnostic | None]
    too_many: str = ""
    advice: str = ""


def check_assets(
    source: StorySource, tree: dict[str, Any], *, folder: Path, allow_outside: bool
) -> Iterator[Diagnostic]:
    """S150 to S157 and S171 to S173, for every file that the story names. Each file is read once."""
    check = partial(_check_kind, source, folder=folder, allow_outside=allow_outside)
    image = AssetKind(
        noun="picture",
        missing="S152",
        unreadable="S153",
        inspect=PictureCheck(),
        too_many="S156",
        advice="save them smaller, or use fewer pictures",
    )
    sound = AssetKind(
        noun="sound",
        missing="S171",
        unreadable="S172",
        inspect=SoundCheck(),
        too_many="S173",
        advice="save them as FLAC, MP3 or Opus, or use fewer sounds",
    )
    lora = AssetKind(noun="LoRA file", missing="S157", unreadable="S157", inspect=_lora_finding)
    return chain(check(_images(tree), image), check(_loras(tree), lora), check(_sounds(tree), sound))


def _check_kind(
    source: StorySource, named: Iterator[tuple[KeyPath, str]], kind: AssetKind, *, folder: Path, allow_outside: bool
) -> Iterator[Diagnostic]:
    """Findings for the files of one kind, given as (key path in the story, path as written)."""
    findings: dict[str, Diagnostic | None] = {}
    size = 0
    for path, file in named:
        if file not in findings:
            findings[file] = find_problem(file, kind, folder, allow_outside)
            size += 0 if findings[file] else _size(folder / file)
        if finding := findings[file]:
            yield replace(finding, place=source.place(path))
        if kind.too_many and (len(findings) > MAX_FILES or size > MAX_TOTAL_BYTES):
            message = f"the {kind.noun}s up to this one exceed {MAX_FILES} files or {MAX_TOTAL_BYTES // 1024**2} MiB"
            yield Diagnostic(code=kind.too_many, message=message, help=kind.advice, place=source.place(path))
            return


def _size(file: Path) -> int:
    """The size in bytes, or 0 if the file has disappeared."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def find_problem(written: str, kind: AssetKind, folder: Path, allow_outside: bool) -> Diagnostic | None:
    """The finding for one file, without a place; None if the file is fine. `written` is its path in the story."""
    name, file = f'"{shorten(written)}"', folder / written
    try:
        if not allow_outside and (finding := _outside_finding(written, name, folder)):
            return finding
        if not file.exists():
            siblings = sorted(item.name for item in file.parent.iterdir()) if file.parent.is_dir() else []
            help = did_you_mean(file.name, siblings) or "the path is relative to the story file"
            return unplaced(kind.missing, f"{kind.noun} {name} not found", help)
        return kind.inspect(file, name)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        why = getattr(error, "strerror", None) or str(error)
        return unplaced(kind.unreadable, f"cannot read {name}: {why}", "check the path and the file permissions")


def _outside_finding(written: str, name: str, folder: Path) -> Diagnostic | None:
    """S150 or S151 for a path, shown as `name`, that leaves the story's folder."""
    help = "copy it into the story's folder, or pass `--allow-outside`"
    if leaves_folder(written):
        return unplaced("S150", f"{name} is outside the story's folder", help)
    if not _real(folder / written).is_relative_to(_real(folder)):
        return unplaced("S151", f"{name} leaves the story's folder through a link", help)
    return None


def leaves_folder(written: str) -> bool:
    """Whether a path leads out of the folder that it is relative to, on Linux, macOS or Windows."""
    for path in (PurePosixPath(written), PureWindowsPath(written)):
        if path.is_absolute() or path.drive or path.root:
            return True
        depth = 0
        for part in path.parts:
            depth += -1 if part == os.pardir else 1
            if depth < 0:
                return True
    return False


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _lora_finding(file: Path, name: str) -> Diagnostic | None:
    """S157 for a file that is not safetensors. Whether it fits the model is checked when it is loaded."""
    if not file.is_file():
        return unplaced("S157", f"{name} is not a file", "name a LoRA file, not a folder")
    if file.suffix != LORA_SUFFIX:
        help = "convert it: files of other formats can run code when they are opened"
        return unplaced("S157", f"{name} is not a {LORA_SUFFIX} file", help)
    with file.open("rb"):
        return None


def _images(tree: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    for kind in ("characters", "settings"):
        for id, item in tree.get(kind, {}).items():
            if item.get("image", "").strip():
                yield (kind, id, "image"), item["image"]
    for index, shot in enumerate(tree.get("shots", [])):
        if shot.get("image", "").strip():
            yield ("shots", index, "image"), shot["image"]


def _sounds(tree: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    owners: list[tuple[KeyPath, Any]] = [((), tree)]
    owners += [(("shots", index), shot) for index, shot in enumerate(tree.get("shots", []))]
    for path, owner in owners:
        if (file := owner.get("audio", {}).get("file", "")).strip():
            yield (*path, "audio", "file"), file


def _loras(tree: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """The LoRA files of the story and of all its profiles, except those of the hub."""
    for path, entry in lora_entries(tree):
        if (file := entry.get("path", "")).strip():
            yield (*path, "path"), file


def lora_entries(tree: dict[str, Any]) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """The LoRA entries of the story and of all its profiles, each with its path in the file."""
    profiles = tree.get("profiles", {})
    lists: list[tuple[KeyPath, Any]] = [(("lora",), tree.get("lora", []))]
    lists += [(("profiles", name, "lora"), profiles[name].get("lora", [])) for name in profiles]
    for path, entries in lists:
        yield from (((*path, index), entry) for index, entry in enumerate(entries) if entry is not None)
