"""What a run directory holds, for programs: takes, latents, scores, memory and clips."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import OnestoryError
from onestory_cli.memory.policies import SelectedFrame
from onestory_cli.planning.jobs import no_such_shot
from onestory_cli.store.inputs import story_of
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Take
from onestory_cli.story.types import Story

if TYPE_CHECKING:
    import numpy as np


class RunView:
    """A run directory, to be read. Create it with `open_run`.

    Everything is read once, when it is first asked for, and every byte is verified. A view does not follow later
    changes of the run. Methods take the id of a shot, and a take of it; without a take they use the accepted one.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def path(self) -> Path:
        """The run directory."""
        return self._run.path

    @property
    def film(self) -> Path:
        """The path of the film, which may not exist yet."""
        return self._run.film

    @cached_property
    def story(self) -> Story:
        """The story of the last render, with its profile and seed applied.

        Raises:
            OnestoryError: R402 if nothing was rendered yet, R404 if run.json is damaged.
        """
        state = self._run.state()
        if state is None:
            raise OnestoryError("R402", f'"{self.path}" has no run.json', help="render the story file first")
        return story_of(self._run, state)

    @property
    def shots(self) -> tuple[str, ...]:
        """The ids of the shots, in film order."""
        return tuple(shot.id for shot in self.story.shots)

    def takes(self, shot: str) -> tuple[Take, ...]:
        """The takes of a shot, the oldest first; damaged ones are left out.

        Raises:
            OnestoryError: S230 if the story has no such shot.
        """
        if shot not in self.shots:
            raise no_such_shot(shot, [*self.shots])
        return tuple(sorted(self._takes.get(shot, ()), key=lambda take: take.record.created))

    def accepted(self, shot: str) -> Take:
        """The accepted take of a shot.

        Raises:
            OnestoryError: S230 if the story has no such shot, R411 if it has no accepted take.
        """
        takes, entry = self.takes(shot), self._run.accepted().get(shot)
        found = [take for take in takes if entry and take.path == entry.folder]
        if not found:
            help = "render the story, or accept a take with `onestory take accept`"
            raise OnestoryError("R411", f'shot "{shot}" has no accepted take', help=help)
        return found[0]

    def latents(self, shot: str, take: Take | None = None) -> np.ndarray:
        """The latents of a take, float32 of shape (channels, latent frames, height, width)."""
        return (take or self.accepted(shot)).latents()

    def scores(self, shot: str, take: Take | None = None) -> Mapping[str, tuple[float, ...]]:
        """The relevance of every visible latent frame to the caption, by source in film order.

        A source is the id of a shot, or `@id` for a reference image. Policies that use positions only have no scores.
        """
        return (take or self.accepted(shot)).record.memory.scores

    def memory(self, shot: str, take: Take | None = None) -> tuple[SelectedFrame, ...]:
        """The latent frames that a take remembers, the most relevant first, with score, level and tokens."""
        return (take or self.accepted(shot)).record.memory.selected

    def clip(self, shot: str, take: Take | None = None) -> Path:
        """The video file of a take."""
        return (take or self.accepted(shot)).clip

    @cached_property
    def _takes(self) -> Mapping[str, tuple[Take, ...]]:
        return {shot: tuple(found.takes) for shot, found in self._run.takes_by_shot().items()}
