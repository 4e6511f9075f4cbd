"""What differs between two runs: per shot its caption, settings, seed, memory and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from onestory_cli.errors import shorten
from onestory_cli.report.data import FilmReport, ShotReport
from onestory_cli.store.changes import changed_fields
from onestory_cli.store.layout import CLIP
from onestory_cli.utils.text import format_frames

State = Literal["same", "changed", "only left", "only right"]
_FIRST = {"caption": 0, "seed": 1}  # in this order before other settings, and in full


@dataclass(frozen=True, kw_only=True)
class ShotDifference:
    """A difference of a shot: what it is about ("caption", "seed", "memory", a setting), and the two values."""

    what: str
    left: str
    right: str


@dataclass(frozen=True, kw_only=True)
class ShotComparison:
    """A shot of two runs. `pictures` is true if both clips have the same bytes, None if one run has no such shot."""

    shot: str
    state: State
    pictures: bool | None = None
    differences: tuple[ShotDifference, ...] = ()


def compare_runs(left: FilmReport, right: FilmReport) -> tuple[ShotComparison, ...]:
    """Compare the accepted takes of two runs, in the order of the left film, then shots that only the right one has."""
    ours, theirs = ({shot.id: shot for shot in film.shots} for film in (left, right))
    return tuple(_compared(id, ours, theirs) for id in dict.fromkeys((*ours, *theirs)))


def _compared(id: str, ours: Mapping[str, ShotReport], theirs: Mapping[str, ShotReport]) -> ShotComparison:
    left, right = ours.get(id), theirs.get(id)
    if left is None or right is None:
        return ShotComparison(shot=id, state="only left" if left else "only right")
    differences = tuple(_differences(left, right))
    clips = [shot.take.record.files[CLIP].sha256 for shot in (left, right)]
    same = clips[0] == clips[1]
    return ShotComparison(
        shot=id, state="same" if same and not differences else "changed", pictures=same, differences=differences
    )


def _differences(left: ShotReport, right: ShotReport) -> Iterator[ShotDifference]:
    if left.number != right.number:
        yield ShotDifference(what="position", left=str(left.number), right=str(right.number))
    changes = {change.field: change for change in changed_fields(left.take.record.spec, right.take.record.spec)}
    for name in sorted(changes, key=lambda name: _FIRST.get(name, len(_FIRST))):
        values = ["none" if value is None else str(value) for value in (changes[name].old, changes[name].new)]
        words = values if name in _FIRST else [shorten(value, 60) for value in values]
        yield ShotDifference(what=name.replace("_", " "), left=words[0], right=words[1])
    memories = [_memory(shot) for shot in (left, right)]
    if memories[0] != memories[1]:
        yield ShotDifference(what="memory", left=memories[0], right=memories[1])


def _memory(shot: ShotReport) -> str:
    return format_frames((frame.source, frame.index) for frame in shot.memory.taken) or "nothing"
