"""The public Python API: load, plan and render a story. Nothing here prints.

Errors are raised as `OnestoryError`; warnings about a story are Python warnings of class `StoryWarning`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from onestory_cli.errors import Diagnostic, OnestoryError
from onestory_cli.events import Emit, ignore
from onestory_cli.planning.compile import plan_story
from onestory_cli.planning.jobs import Plan
from onestory_cli.store.locate import folder_for
from onestory_cli.story.types import Story

__all__ = ["OnestoryError", "Plan", "Story", "StoryWarning", "load_story", "plan", "render"]


class StoryWarning(UserWarning):
    """A warning about a story. `diagnostic` holds its code, message, place in the file and suggested fix."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(f"{diagnostic.code}: {diagnostic.message}")
        self.diagnostic = diagnostic


def load_story(
    path: str | Path, *, profile: str | None = None, seed: int | None = None, allow_outside: bool = False
) -> Story:
    """Load and check a story file.

    - `profile`: name of a profile of the story to apply.
    - `seed`: replaces the seed of the story.
    - `allow_outside`: allow files outside of the folder of the story.

    Raises:
        OnestoryError: with all errors of the story, or S101 if the file cannot be read.
    """
    from onestory_cli.story import load

    story, findings = load.load_story(path, profile=profile, seed=seed, allow_outside=allow_outside)
    _warn(findings)
    return story


def plan(story: Story, *, until: str | None = None, allow_outside: bool = False) -> Plan:
    """Resolve a story to a plan: one job per shot, with caption, seed, size, steps and memory settings.

    - `until`: id of the last shot to plan.
    - `allow_outside`: allow files outside of the folder of the story.

    Raises:
        OnestoryError: if the model is unknown or cannot generate what the story asks for, or if `until` is not a shot.
    """
    made, findings = plan_story(story, until=until, allow_outside=allow_outside)
    _warn(findings)
    return made


def render(
    plan: Plan,
    folder: str | Path | None = None,
    *,
    device: str = "auto",
    force: Collection[str] = (),
    takes: Mapping[str, int] | None = None,
    retry_bad: int = 0,
    subtitles: bool = False,
    emit: Emit = ignore,
    stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Render the missing shots of a plan, join the film and return its path.

    - `folder`: run directory. The default for `film.story.yaml` is `film.run` in the same folder.
    - `device`: `auto`, `cpu`, `cuda` or `cuda:1`.
    - `force`: ids of shots to render again with the same seed.
    - `takes`: number of takes per shot id. The default is 1.
    - `retry_bad`: largest number of replacements for a take with faults.
    - `subtitles`: add a subtitle track to the film.
    - `emit`: function that is called with each event of `onestory_cli.events`.
    - `stop`: function that returns true to stop after the current denoising step.

    Raises:
        OnestoryError: if this machine cannot render it or another process uses the run. Finished shots are kept.
        KeyboardInterrupt: if `stop()` returned true. The same call continues.
    """
    from onestory_cli.rendering.loading import generator_loader
    from onestory_cli.rendering.options import RenderOptions
    from onestory_cli.rendering.render import render as make_film
    from onestory_cli.store.run import Run

    run = Run.create(folder_for(Path(plan.story.path)) if folder is None else Path(folder))
    load = generator_loader(plan, device, emit)
    options = RenderOptions(force=force, takes=takes or {}, retry_bad=retry_bad, subtitles=subtitles, stop=stop)
    return make_film(plan, run, load, emit, options)


def _warn(findings: Iterable[Diagnostic]) -> None:
    for finding in findings:
        warnings.warn(StoryWarning(finding), stacklevel=3)
