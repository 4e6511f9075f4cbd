"""Measure the quality of a take: the checks of its clip, and its colours for the shots that will remember it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from onestory_cli.events import Warned
from onestory_cli.planning.jobs import Plan
from onestory_cli.quality import FROZEN, RULES, SHIFT, fault_severity, faults, judge
from onestory_cli.store.record import Record
from onestory_cli.store.takes import Take
from onestory_cli.story.types import Shot

if TYPE_CHECKING:
    import numpy as np


def checked(record: Record, pixels_PHWC: np.ndarray, *, frames: int, plan: Plan, seen: Mapping[str, Take]) -> Record:
    """The record with the checks of its clip, which has `frames` latent frames. `seen` are the takes in its memory."""
    from onestory_cli.media.clip_faults import measure
    from onestory_cli.media.colour import colours

    numbers: dict[str, float | None] = {**measure(pixels_PHWC)}
    if not _should_move(plan, record.shot):
        numbers[FROZEN] = None
    record = replace(record, colours=colours(pixels_PHWC, frames))
    numbers[SHIFT] = _shift(record, plan, seen)
    return replace(record, checks=tuple(judge(name, numbers[name]) for name in RULES))


def warnings_of(shot: str, record: Record, run: str) -> Iterator[Warned]:
    """A warning for each failed check of a take."""
    for check in faults(record.checks):
        rule = RULES[check.name]
        number = f"{check.name} {check.value:g}, limit {check.limit:g}"
        help = f"watch the clip, or render another take with `onestory take new {run} {shot}`"
        message = f'take {record.take} of "{shot}": {rule.message} ({number})'
        yield Warned(code=rule.code, message=message, help=help, shot=shot)


def is_bad(take: Take) -> bool:
    return bool(faults(take.record.checks))


def quality_key(take: Take) -> tuple[int, float, int]:
    """A sort key, best take first: the fewest failed checks, then the smallest excess, then the lowest number."""
    return (*fault_severity(take.record.checks), take.record.take)


def _should_move(plan: Plan, shot: str) -> bool:
    """Whether a shot shows a declared character. If the story declares none, every shot may show one."""
    return not plan.story.characters or any(item.kind == "character" for item in _shot(plan, shot).mentions)


def _shift(record: Record, plan: Plan, seen: Mapping[str, Take]) -> float | None:
    """The CIELAB distance of the clip's mean colour to the nearest remembered frame of the same setting, if any."""
    settings = _settings(_shot(plan, record.shot))
    mean = _mean(record.colours)
    distances = []
    for frame in record.memory.selected:
        take = seen.get(frame.source)
        if take and frame.index < len(take.record.colours) and settings & _settings(_shot(plan, frame.source)):
            distances.append(sum((x - y) ** 2 for x, y in zip(mean, take.record.colours[frame.index], strict=True)))
    return min(distances) ** 0.5 if distances else None


def _shot(plan: Plan, id: str) -> Shot:
    return next(shot for shot in plan.story.shots if shot.id == id)


def _settings(shot: Shot) -> set[str]:
    return {item.id for item in shot.mentions if item.kind == "setting"}


def _mean(colours: tuple[tuple[float, float, float], ...]) -> tuple[float, ...]:
    return tuple(sum(column) / len(colours) for column in zip(*colours, strict=True))
