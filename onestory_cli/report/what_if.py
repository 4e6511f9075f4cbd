"""Predict the selection of a shot under other memory settings from recorded scores, without a model.

Scores do not depend on policy, frames or budget. Effects on later shots are not predicted; only a render shows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.memory.levels import Level, allocate
from onestory_cli.memory.policies import FrameRef, choose, needs_scores
from onestory_cli.report.data import Frame, ShotMemory, ShotReport


@dataclass(frozen=True, kw_only=True)
class WhatIfSettings:
    """Memory settings to try; None keeps the value of the shot."""

    policy: str | None = None
    frames: int | None = None
    budget: float | None = None

    def __bool__(self) -> bool:
        return (self.policy, self.frames, self.budget) != (None, None, None)

    def __str__(self) -> str:
        """The settings as flags: "--policy recent --frames 4"."""
        given = {"policy": self.policy, "frames": self.frames, "budget": self.budget}
        return " ".join(f"--{name} {value}" for name, value in given.items() if value is not None)


@dataclass(frozen=True, kw_only=True)
class SelectionChange:
    """Difference of two selections; frames are those of the new one."""

    added: tuple[Frame, ...]
    dropped: tuple[Frame, ...]
    relevelled: tuple[Frame, ...]

    @classmethod
    def between(cls, before: ShotMemory, after: ShotMemory) -> SelectionChange:
        old = {(frame.source, frame.index): frame for frame in before.taken}
        new = {(frame.source, frame.index): frame for frame in after.taken}
        return cls(
            added=tuple(frame for key, frame in new.items() if key not in old),
            dropped=tuple(frame for key, frame in old.items() if key not in new),
            relevelled=tuple(frame for key, frame in new.items() if key in old and old[key].level != frame.level),
        )


def select_again(shot: ShotReport, wish: WhatIfSettings, levels: Sequence[Level]) -> ShotMemory:
    """Select again under other settings (OneStory Eq. 6-7). `levels` are those of the model.

    Raises:
        OnestoryError: R413 if the policy needs scores that are not recorded, or a source is missing.
    """
    before = shot.memory
    policy = wish.policy or before.policy
    frames = before.frames if wish.frames is None else wish.frames
    budget = before.budget if wish.budget is None else wish.budget
    _require_scores(shot, policy)
    visible = before.visible
    refs = [FrameRef(frame.source, frame.index) for frame in visible]
    height, width = shot.take.shape[2:]
    table = partial(allocate, budget=budget, height=height, width=width, levels=tuple(levels))
    scores = [frame.score or 0.0 for frame in visible]
    chosen = choose(policy, scores, refs, len(table(frames)), list(before.shown.values()))
    taken = {
        (visible[position].source, visible[position].index): (place, level)
        for place, (position, level) in enumerate(zip(chosen, table(len(chosen)), strict=True), start=1)
    }

    def placed(frame: Frame) -> Frame:
        place, level = taken.get((frame.source, frame.index), (None, None))
        tokens = level.tokens(height, width) if level else 0
        return replace(frame, place=place, level=level.name if level else "", tokens=tokens)

    sources = [replace(source, frames=tuple(map(placed, source.frames))) for source in before.sources]
    return replace(before, policy=policy, frames=frames, budget=budget, sources=tuple(sources))


def _require_scores(shot: ShotReport, policy: str) -> None:
    gone = [source.name for source in shot.memory.sources if not source.frames]
    unscored = [source.name for source in shot.memory.sources if any(frame.score is None for frame in source.frames)]
    missing = gone or (unscored if needs_scores(policy) else [])
    if missing:
        what = "the run no longer contains" if gone else "there are no scores for"
        raise OnestoryError(
            "R413",
            f'{what} {", ".join(missing)}, which shot "{shot.id}" can see',
            help=f"rerender the shot with `policy: {policy}` to record them",
            exit=ExitCode.FINDINGS,
        )
