"""Resolve which part of a base a recipe trains: one transformer, at one size, for a range of noise levels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.errors import OnestoryError
from onestory_cli.memory.levels import LEVELS
from onestory_cli.models.availability import require_weights
from onestory_cli.models.catalog import find
from onestory_cli.models.spec import ModelSpec
from onestory_cli.training.adapter.recipe import AdapterRecipe

PARTS = {"": "transformer", "high": "transformer", "low": "transformer_2"}


@dataclass(frozen=True, kw_only=True)
class Fit:
    """`spec` is the base at the recipe's sizes, as if the expert `part` were all of it and had an adapter already.
    Noise levels are drawn between `least` and `most` (1 is noise alone)."""

    spec: ModelSpec
    part: str
    least: float
    most: float


def fit(recipe: AdapterRecipe, path: Path, adapter: Path) -> Fit:
    """What the recipe in the file `path` trains into the folder `adapter`.

    Raises:
        OnestoryError: T601 for sizes or an expert that the base does not have, M5xx for a base that is not there.
    """
    spec = find(recipe.base, relative_to=path.parent)
    if faults := [*incompatibilities(recipe, spec)]:
        help = f"the base {spec.name} makes {spec.width}x{spec.height} and {spec.frames} frames"
        raise OnestoryError("T601", f"{path}: {'; '.join(faults)}", help=help)
    require_weights(spec)
    width, height = recipe.size or (spec.width, spec.height)
    low = recipe.expert == "low"
    boundary = spec.boundary_ratio
    trained = spec.with_fields(
        adapter=str(adapter),
        width=width,
        height=height,
        frames=recipe.frames or spec.frames,
        fps=recipe.fps or spec.fps,
        guidance=spec.guidance_2 if low and spec.guidance_2 is not None else spec.guidance,
        guidance_2=None,
        boundary_ratio=None,
        memory_frames=recipe.memory.remembered[0],
        budget=recipe.memory.budgets[0],
        policy="adaptive",
        levels=LEVELS,
    )
    return Fit(
        spec=trained,
        part=PARTS[recipe.expert],
        least=0.0 if boundary is None or low else boundary,
        most=boundary if boundary is not None and low else 1.0,
    )


def incompatibilities(recipe: AdapterRecipe, spec: ModelSpec) -> Iterator[str]:
    """Yield what the recipe requires and the base does not support."""
    width, height = recipe.size or (spec.width, spec.height)
    frames = recipe.frames or spec.frames
    if width % spec.size_multiple or height % spec.size_multiple:
        yield f"size: {width}x{height} are no multiples of {spec.size_multiple}"
    if frames % spec.temporal_stride != 1 or frames > spec.max_frames:
        yield f"frames: {frames} is not {spec.temporal_stride}k + 1 up to {spec.max_frames}"
    if spec.task == "vace":
        yield f"base: {spec.name} remembers through reference images and takes no adapter; its T2V sibling does"
    if spec.experts == 2 and not recipe.expert:
        yield "expert: the base has two; say whether high or low is trained"
    if spec.experts == 1 and (recipe.expert or recipe.other_expert):
        yield "expert: the base has only one"
    if spec.files.transformer_file.endswith(".gguf"):
        yield "base: quantised weights cannot be trained on; name the safetensors that they were made from"
