"""Checks that a JSON Schema cannot express: unique ids, exclusive keys, memory of earlier shots only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from onestory_cli.errors import Diagnostic, did_you_mean, shorten
from onestory_cli.story.assets import lora_entries
from onestory_cli.story.source import KeyPath, StorySource


def check_ids(source: StorySource, tree: dict[str, Any]) -> Iterator[Diagnostic]:
    """S130 duplicate shot id, S131 an id of both a character and a setting."""
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
