"""The public Python API: load, plan and render a story, and read a run. Nothing here prints.

Errors are raised as `OnestoryError`; warnings about a story are Python warnings of class `StoryWarning`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import Diagnostic, OnestoryError
from onestory_cli.events import Emit, Event, Preview, StepDone, ignore
from onestory_cli.models.offload.config import ExecutionRequest
from onestory_cli.planning.compile import plan_story
from onestory_cli.planning.jobs import Plan, ShotJob
from onestory_cli.rendering.generator import GeneratedShot, MemorySelection, ShotRequest
from onestory_cli.rendering.render import CHECKPOINT_SECONDS
from onestory_cli.store.locate import folder_for
from onestory_cli.store.run_view import RunView
from onestory_cli.story.types import Story

if TYPE_CHECKING:
    import numpy as np

    from onestory_cli.rendering.model_generator import ModelGenerator

__all__ = [
    "ExecutionRequest",
    "OnestoryError",
    "Plan",
    "RunView",
    "Story",
    "StoryWarning",
    "decode",
    "generate",
    "load_model",
    "load_story",
    "open_run",
    "plan",
    "render",
    "select",
]


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
    keep_original: bool = False,
    fitting: ExecutionRequest | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    emit: Emit = ignore,
    on_step: Callable[[StepDone], None] | None = None,
    on_preview: Preview | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Render the missing shots of a plan, join the film and return its path.

    - `folder`: run directory. The default for `film.story.yaml` is `film.run` in the same folder.
    - `device`: `auto`, `cpu`, `cuda` or `cuda:1`.
    - `force`: ids of shots to render again with the same seed.
    - `takes`: number of takes per shot id. The default is 1.
    - `retry_bad`: largest number of replacements for a take with faults.
    - `subtitles`: add a subtitle track to the film.
    - `keep_original`: also keep what an external model delivered, unchanged, in each new take.
    - `fitting`: offload, quantization, VAE tiling, attention and cache. The default runs the model as it is.
    - `checkpoint_seconds`: time between two checkpoints of a shot.
    - `emit`: function that is called with each event of `onestory_cli.events`.
    - `on_step`: function that is called after each denoising step.
    - `on_preview`: function that gets pictures of the unfinished shot, decoded from the clean latents (x0) that a step
      predicts: shot id, step, number of steps, and the middle frame as uint8 of shape (height, width, 3). It is called
      every few steps, so that previews take at most 2 % of the time, and must return quickly. The last call of a shot,
      with step equal to the number of steps, gets the finished frame.
    - `stop`: function that returns true to stop after the current denoising step.

    Raises:
        OnestoryError: if this machine cannot render it or another process uses the run. Finished shots are kept.
        KeyboardInterrupt: if `stop()` returned true. The same call continues.
    """
    from onestory_cli.rendering.loading import generator_loader
    from onestory_cli.rendering.render import RenderOptions
    from onestory_cli.rendering.render import render as make_film
    from onestory_cli.store.run import Run

    run = Run.create(folder_for(Path(plan.story.path)) if folder is None else Path(folder))
    if fitting:
        plan = _fitted(plan, fitting, device)
    options = RenderOptions(
        force=force,
        takes=takes or {},
        retry_bad=retry_bad,
        subtitles=subtitles,
        keep_original=keep_original,
        checkpoint_seconds=checkpoint_seconds,
        preview=on_preview,
        stop=stop,
    )
    emit_all = _with_steps(emit, on_step) if on_step else emit
    return make_film(plan, run, generator_loader(plan, device, emit_all), emit_all, options)


def _fitted(plan: Plan, fitting: ExecutionRequest, device: str) -> Plan:
    from onestory_cli.rendering.execution import configure_plan

    return configure_plan(plan, fitting, device=device, memory=None)


def _with_steps(emit: Emit, on_step: Callable[[StepDone], None]) -> Emit:
    def emit_all(event: Event) -> None:
        emit(event)
        if isinstance(event, StepDone):
            on_step(event)

    return emit_all


def open_run(path: str | Path) -> RunView:
    """Open a run directory to read its takes, latents, scores, memory and clips.

    - `path`: the run directory, or the story file next to it.

    Raises:
        OnestoryError: R402 if it is not a run directory.
    """
    from onestory_cli.store.run import Run

    path = Path(path)
    return RunView(Run.open(folder_for(path) if path.is_file() else path))


def load_model(plan: Plan, *, device: str = "auto", emit: Emit = ignore) -> ModelGenerator:
    """Return the model of a plan, for `select`, `generate` and `decode`. Its parts are loaded when first used.

    - `device`: `auto`, `cpu`, `cuda` or `cuda:1`.
    - `emit`: function that is called when a part is loaded.

    Raises:
        OnestoryError: if the weights are not on this machine or cannot be used, M558 for an external model.
    """
    from onestory_cli.models.availability import require_ready
    from onestory_cli.rendering.loading import load_model_generator

    require_ready(plan.model)
    return load_model_generator(plan.model, device, emit)


def select(model: ModelGenerator, job: ShotJob, memory: Mapping[str, np.ndarray]) -> MemorySelection:
    """Return the frames that a shot remembers, the most relevant first, and the score of every visible frame.

    - `job`: a job of a plan. Its `memory.policy`, `memory.frames` and `memory.budget` decide.
    - `memory`: latents by source, in film order, float32 of shape (channels, latent frames, height, width).
    """
    return model.recall(_with_sources(job, memory), memory)


def generate(
    model: ModelGenerator,
    job: ShotJob,
    memory: Mapping[str, np.ndarray] | None = None,
    *,
    image: np.ndarray | None = None,
    emit: Emit = ignore,
) -> GeneratedShot:
    """Generate one shot without a run directory. The result has `latents_CTHW`, `selection`, `scores` and `decode()`.

    - `job`: a job of a plan. Equal jobs and memories give equal latents on one machine.
    - `memory`: what the shot can see: latents by source, in film order. The default is nothing.
    - `image`: the first frame, uint8 of shape (height, width, 3).
    - `emit`: function that is called with each event, such as `StepDone`.
    """
    memory = memory or {}
    return model.generate(ShotRequest(job=_with_sources(job, memory), memory=memory, image=image, emit=emit))


def _with_sources(job: ShotJob, memory: Mapping[str, object]) -> ShotJob:
    """The job of a shot that sees exactly this memory."""
    return replace(job, memory=replace(job.memory, sources=tuple(memory)))


def decode(model: ModelGenerator, latents: np.ndarray) -> np.ndarray:
    """Decode latents to the frames of a clip, uint8 of shape (frames, height, width, 3). Loads only the VAE.

    - `latents`: float32 of shape (channels, latent frames, height, width).
    """
    return model.decode(latents)


def _warn(findings: Iterable[Diagnostic]) -> None:
    for finding in findings:
        warnings.warn(StoryWarning(finding), stacklevel=3)
