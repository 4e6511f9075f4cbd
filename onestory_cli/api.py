"""The line of the commands for programs: a story is loaded, planned and rendered.

Nothing here prints. What is wrong is raised as an OnestoryError (`errors.py`), whose `diagnostics` have all findings
with their places; what is only doubtful is a Python warning of the class StoryWarning.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import Diagnostic
from onestory_cli.events import Emit, ignore
from onestory_cli.planning.compile import plan_story
from onestory_cli.store.locate import folder_for

if TYPE_CHECKING:
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.story.types import Story


class StoryWarning(UserWarning):
    """A finding about a story that is no error; `diagnostic` has its code, its place and the next step."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(f"{diagnostic.code}: {diagnostic.message}")
        self.diagnostic = diagnostic


def load_story(
    path: str | Path, *, profile: str | None = None, seed: int | None = None, allow_outside: bool = False
) -> Story:
    """The story in a file, as `onestory validate` reads it.

    `profile` names one of its profiles, `seed` replaces its seed, and `allow_outside` lets it name files outside of its
    folder.

    Raises:
        OnestoryError: everything that is wrong with it, or S101 for a file that cannot be read.
    """
    from onestory_cli.story import load

    story, findings = load.load_story(path, profile=profile, seed=seed, allow_outside=allow_outside)
    _warn(findings)
    return story


def plan(story: Story, *, until: str | None = None, allow_outside: bool = False) -> Plan:
    """The story resolved to the last number, up to and with shot `until`: what `onestory plan` shows.

    Raises:
        OnestoryError: what its model cannot do, a model that is not there, or an unknown shot.
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
    """Make what is missing of a film, and return its path: what `onestory render` does.

    `folder` is the run directory, by default film.run beside film.story.yaml. Shots in `force` are made again, `takes`
    says how many takes of a shot there should be, and of one whose take has faults up to `retry_bad` others are made.
    With `subtitles` the film has a track of what its shots say.
    `emit` hears each event of `onestory_cli.events`; once `stop()` is true the work ends within a step, and is kept.

    Raises:
        OnestoryError: what this machine or another process refuses; finished shots are kept.
        KeyboardInterrupt: `stop()` was true; the same call goes on.
    """
    from onestory_cli.rendering.loading import maker_loader
    from onestory_cli.rendering.render import render as make_film
    from onestory_cli.store.run import Run

    run = Run.create(folder_for(Path(plan.story.path)) if folder is None else Path(folder))
    load = maker_loader(plan, device, emit)
    return make_film(
        plan, run, load, emit, force=force, takes=takes, retry_bad=retry_bad, subtitles=subtitles, stop=stop
    )


def _warn(findings: Iterable[Diagnostic]) -> None:
    for finding in findings:
        warnings.warn(StoryWarning(finding), stacklevel=3)
