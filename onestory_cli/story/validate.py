"""What a schema cannot say: ids that are unique, one key for one setting, memory that looks back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from onestory_cli.errors import Diagnostic, did_you_mean, shorten
from onestory_cli.story.source import KeyPath, Source


def check_ids(source: Source, tree: dict[str, Any]) -> Iterator[Diagnostic]:
    """S130 a shot id that is used twice, S131 an id of both a character and a setting."""
    first: dict[str, int] = {}
    for index, shot in enumerate(tree.get("shots", [])):
        path: KeyPath = ("shots", index, "id")
        if (id := shot.get("id")) is None:
            continue
        if id in first:
            line = source.place(("shots", first[id], "id")).line
            help = f"give every shot an id of its own; the first is in line {line}"
            yield Diagnostic(code="S130", message=f'two shots are called "{id}"', place=source.place(path), help=help)
        first.setdefault(id, index)
    for id in tree.get("settings", {}):
        if id in tree.get("characters", {}):
            yield Diagnostic(
                code="S131",
                message=f'"{id}" is both a character and a setting',
                place=source.key_place(("settings", id)),
                help="rename one of them, and what captions mean by it",
            )


def check_alternatives(source: Source, tree: dict[str, Any]) -> Iterator[Diagnostic]:
    """S132 two keys that say the same thing."""
    profiles = tree.get("profiles", {})
    layers: list[tuple[KeyPath, dict[str, Any]]] = [(("defaults",), tree.get("defaults", {}))]
    layers += [(("profiles", name), profiles[name]) for name in profiles]
    layers += [(("shots", index), shot) for index, shot in enumerate(tree.get("shots", []))]
    for path, values in layers:
        if "duration" in values and "frames" in values:
            place = source.key_place((*path, "frames"))
            help = "both are the length: keep one"
            yield Diagnostic(code="S132", message='"duration" and "frames" together', place=place, help=help)
    if "seed" in tree and "seed" in tree.get("defaults", {}):
        yield Diagnostic(
            code="S132",
            message='"seed" at the top and in "defaults" together',
            place=source.key_place(("defaults", "seed")),
            help="both are the seed of the story: keep one",
        )


def check_memory(source: Source, tree: dict[str, Any]) -> Iterator[Diagnostic]:
    """S160 to S163, for shots that `memory.from` cannot name."""
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
    """What is wrong with remembering shot `id` in shot number `index`, without a place."""
    if id not in order:
        near = did_you_mean(id, (other for other in order if order[other] < index))
        help = near or "name earlier shots by their id"
        return Diagnostic(code="S160", message=f'no shot "{shorten(id)}" to remember', help=help)
    if order[id] == index:
        help = "name earlier shots, or leave `from` out for all of them"
        return Diagnostic(code="S162", message=f'shot "{id}" cannot remember itself', help=help)
    if order[id] > index:
        help = "a shot remembers earlier ones: name one of those, or move the shot"
        return Diagnostic(code="S161", message=f'shot "{id}" comes later', help=help)
    if id in named:
        return Diagnostic(code="S163", message=f'shot "{id}" is named twice', help="delete one of the two")
    return None
