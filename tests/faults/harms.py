"""Damage a file of a finished run, and check what `verify` and the next render do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from onestory_cli import events
from onestory_cli.events import Event
from onestory_cli.rendering.render import render
from onestory_cli.store.layout import EVENTS, STATE
from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from tests.faults.films import Film
from tests.faults.kills import outcome_of


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def delete(path: Path) -> None:
    path.unlink()


HARMS: dict[str, Callable[[Path], None]] = {"a bit flipped": flip, "cut short": cut, "deleted": delete}


@dataclass(frozen=True, kw_only=True)
class Harm:
    """One file damaged in one way, and the result: "" if it was found, reported and repaired."""

    kind: str
    file: str
    made: tuple[str, ...]
    end: str

    def __str__(self) -> str:
        return f"{self.file} {self.kind}"


def harm_every_file(film: Film, folder: Path) -> Iterator[Harm]:
    """Every file of a finished run, one at a time and in every way. The log decides nothing, so it may be lost."""
    whole = folder / "whole"
    render(film.plan, Run.create(whole), film.load)
    outcome = outcome_of(whole)
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    for kind in HARMS:
        for file in files:
            harmed = folder / "harmed"
            shutil.copytree(whole, harmed)
            yield _harm(film, outcome, harmed, file, kind)
            shutil.rmtree(harmed)


def _harm(film: Film, outcome: dict[str, str], folder: Path, file: Path, kind: str) -> Harm:
    HARMS[kind](folder / file)
    found = [damage.path for damage in find_damage(Run(folder))]
    heard: list[Event] = []
    render(film.plan, Run.open(folder), film.load, heard.append)
    named = [event for event in heard if isinstance(event, events.Warned) and str(file) in event.message]
    made = tuple(event.shot for event in heard if isinstance(event, events.TakeCommitted))
    after = outcome_of(folder)
    guarded = file.name != EVENTS
    ends = {
        "not found": found != ([folder / file] if guarded else []),
        "not reported": len(named) != guarded,
        "still damaged": bool(find_damage(Run(folder))),
        # run.json has the reason of each take; that of the take that was rendered again is now the damage
        "not the same": any(after[name] != outcome[name] for name in outcome if name != STATE or not made),
        "others rendered again": any(f"shots/{shot}/" not in str(file) for shot in made),
    }
    return Harm(kind=kind, file=str(file), made=made, end=", ".join(end for end, so in ends.items() if so))
