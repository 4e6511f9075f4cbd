"""The LoRA files that a story names: inside its folder, there, and safetensors. Whether one fits, loading tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from onestory_cli.errors import Diagnostic, did_you_mean, shorten
from onestory_cli.story.images import leaves
from onestory_cli.story.source import KeyPath, Source

SUFFIX = ".safetensors"


def check_loras(source: Source, tree: dict[str, Any], *, folder: Path, allow_outside: bool) -> Iterator[Diagnostic]:
    """S150, S151 and S157 for the files of the story and of its profiles."""
    lists: list[tuple[KeyPath, Any]] = [(("lora",), tree.get("lora", []))]
    profiles = tree.get("profiles", {})
    lists += [(("profiles", name, "lora"), profiles[name].get("lora", [])) for name in profiles]
    for path, entries in lists:
        for index, entry in enumerate(entries):
            named = (entry or {}).get("path", "")
            if named.strip() and (fault := _fault(named, folder, allow_outside)):
                yield replace(fault, place=source.place((*path, index, "path")))


def _fault(named: str, folder: Path, allow_outside: bool) -> Diagnostic | None:
    name, file = f'"{shorten(named)}"', folder / named
    try:
        if not allow_outside and (fault := leaves(named, name, folder)):
            return fault
        if not file.is_file():
            beside = [item.name for item in file.parent.iterdir()] if file.parent.is_dir() else []
            near = did_you_mean(file.name, sorted(beside))
            return _finding(f"no LoRA file {name}", near or "the path is relative to the story file")
        if file.suffix != SUFFIX:
            return _finding(f"{name} is no {SUFFIX} file", "other files can run code when they are opened: convert it")
        with file.open("rb"):
            return None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        why = getattr(error, "strerror", None) or str(error)
        return _finding(f"{name} cannot be read: {why}", "check the path and the permissions of the file")


def _finding(message: str, help: str) -> Diagnostic:
    return Diagnostic(code="S157", message=message, help=help)
