"""Resolve which part of a base a recipe trains: one transformer, at one size, for a range of noise levels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from onestory_cli.errors import OnestoryError
from onestory_cli.generation.denoise import DenoiseConfig
from onestory_cli.memory.levels import PATCHES, Level, allocate
from onestory_cli.models.availability import require_weights
from onestory_cli.models.catalog import find
from onestory_cli.models.spec import ModelSpec
from onestory_cli.training.adapter.recipe import AdapterMemory, AdapterRecipe, Distillation
from onestory_cli.training.teacher import schedule_sigmas

STUDENT_SCHEDULER = "euler"  # the only one whose step applies one mean velocity
PARTS = {"": "transformer", "high": "transformer", "low": "transformer_2"}


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The part of a base that a recipe trains.

    `spec` is the base at the recipe's sizes, described as if it had only the expert `part`, with the adapter to train.
    For a distillation it has the base's own adapter, or none, and `steps` are those of the student: pairs of noise
    levels. Noise levels are drawn between `least` and `most`; 1 is pure noise.
    """

    spec: ModelSpec
    part: str
    least: float = 0.0
    most: float = 1.0
    steps: tuple[tuple[float, float], ...] = ()


def fit(recipe: AdapterRecipe, path: Path, adapter: Path) -> Fit:
    """Return the part of the base that the recipe in `path` trains; its adapter will be in the folder `adapter`.

    Raises:
        OnestoryError: T601 for sizes or an expert that the base does not have, M5xx for a missing base.
    """
    spec = find(recipe.base, relative_to=path.parent)
    if faults := [*incompatibilities(recipe, spec)]:
        help = f"the defaults of the base {spec.name} are {spec.width}x{spec.height} and {spec.frames} frames"
        raise OnestoryError("T601", f"{path}: {'; '.join(faults)}", help=help)
    require_weights(spec)
    width, height = recipe.size or (spec.width, spec.height)
    low = recipe.expert == "low"
    boundary = spec.boundary_ratio
    trained = spec.with_fields(
        width=width,
        height=height,
        frames=recipe.frames or spec.frames,
        fps=recipe.fps or spec.fps,
        guidance=spec.guidance_2 if low and spec.guidance_2 is not None else spec.guidance,
        guidance_2=None,
        boundary_ratio=None,
        **({} if recipe.distil else _new_adapter(recipe.memory, adapter)),
    )
    return Fit(
        spec=trained,
        part=PARTS[recipe.expert],
        least=0.0 if boundary is None or low else boundary,
        most=boundary if boundary is not None and low else 1.0,
        steps=student_steps(recipe, spec),
    )


def _new_adapter(memory: AdapterMemory, folder: Path) -> dict[str, Any]:
    """The fields of a spec that a new adapter changes."""
    return {
        "adapter": str(folder),
        "memory_frames": memory.remembered[0],
        "budget": memory.budgets[0],
        "policy": "adaptive",
        "levels": levels_of(memory),
        "isolated_context": memory.isolated_context,
    }


def student_steps(recipe: AdapterRecipe, spec: ModelSpec) -> tuple[tuple[float, float], ...]:
    """The steps of a distilled student that the recipe's expert takes; () for a recipe without `distil`."""
    if recipe.distil is None:
        return ()
    schedule = student_schedule(recipe.distil, spec)
    steps = pairwise(schedule_sigmas(schedule.name, schedule.steps, schedule.shift))
    boundary = spec.boundary_ratio or 0.0
    return tuple(step for step in steps if (step[0] < boundary) == (recipe.expert == "low"))


def student_schedule(distil: Distillation, spec: ModelSpec) -> DenoiseConfig:
    """The schedule that a student is trained for."""
    shift = spec.shift if distil.shift is None else distil.shift
    return DenoiseConfig(name=STUDENT_SCHEDULER, steps=distil.steps, shift=shift, guidance=1.0)


def teacher_guidance(distil: Distillation, spec: ModelSpec) -> float:
    """The guidance scale of a student's teacher."""
    return spec.guidance if distil.guidance is None else distil.guidance


def levels_of(memory: AdapterMemory) -> tuple[Level, ...]:
    """The levels that a recipe names by their patch."""
    return tuple(PATCHES[patch] for patch in memory.levels)


def unused_levels(memory: AdapterMemory, spec: ModelSpec) -> list[Level]:
    """The levels that no frame gets with any of the recipe's budgets and numbers of remembered frames."""
    height, width = spec.latent_size(spec.width, spec.height)
    levels = levels_of(memory)
    used = {
        level
        for frames in memory.remembered
        for budget in memory.budgets
        for level in allocate(frames, budget, height=height, width=width, levels=levels)
    }
    return [level for level in levels if level not in used]


def incompatibilities(recipe: AdapterRecipe, spec: ModelSpec) -> Iterator[str]:
    """Yield what the recipe requires and the base does not support."""
    width, height = recipe.size or (spec.width, spec.height)
    frames = recipe.frames or spec.frames
    buckets = recipe.buckets or (frames,)
    if width % spec.size_multiple or height % spec.size_multiple:
        yield f"size: width and height must be multiples of {spec.size_multiple}, not {width}x{height}"
    for count in sorted({frames, *buckets}):
        if count < 1 or count % spec.temporal_stride != 1 or count > spec.max_frames:
            yield f"frames: must be {spec.temporal_stride}k + 1 and at most {spec.max_frames}, not {count}"
    if frames not in buckets:
        yield f"buckets: {frames} frames, the length of a film's shots, must be one of them"
    what = "be distilled" if recipe.distil else "take an adapter"
    if spec.task == "vace":
        yield f"base: {spec.name} uses reference images as memory and cannot {what}; use the T2V model"
    if spec.task == "m2v":
        yield f"base: {spec.name} has a trained memory and cannot {what}; use wan2.2-i2v-a14b"
    if spec.experts == 2 and not recipe.expert:
        yield "expert: the base has two; set expert to high or low"
    if spec.experts == 1 and (recipe.expert or recipe.other_expert):
        yield "expert: the base has only one"
    if recipe.memory.isolated_context and not spec.expand_timesteps:
        yield f"memory.isolated_context: {spec.name} has one timestep for all tokens, so its context changes every step"
    if spec.files.transformer_file.endswith(".gguf"):
        yield "base: quantized weights cannot be trained; name the safetensors that they were made from"
    if recipe.distil and recipe.expert and spec.experts == 2 and not student_steps(recipe, spec):
        yield f"distil: none of the {recipe.distil.steps} steps is one of the {recipe.expert} expert; use more steps"
