"""The options of a render that do not change what a shot looks like."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from onestory_cli.events import Preview

CHECKPOINT_SECONDS = 30.0


def never_stop() -> bool:
    """A `stop` function of a render that is never asked to stop."""
    return False


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    """Options of a render.

    Attributes:
        force: shots to render again although their takes are valid.
        takes: shot -> how many takes it should have; only the accepted one is used.
        retry_bad: how many other takes to try for a shot whose take fails a quality check; the best one is accepted.
        subtitles: whether the film has a subtitle track of what the shots say.
        checkpoint_seconds: the time between two checkpoints of a shot.
        preview: gets pictures of the shot that is being generated, and must return quickly.
        stop: asked after each step; once it returns true, the render saves its work and raises KeyboardInterrupt.
    """

    force: Collection[str] = ()
    takes: Mapping[str, int] = field(default_factory=dict)
    retry_bad: int = 0
    subtitles: bool = False
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    preview: Preview | None = None
    stop: Callable[[], bool] = never_stop
