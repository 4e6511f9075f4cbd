"""Write a trained adapter as a model folder: a card that names the base, the weights, and a README."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from onestory_cli.memory.levels import LEVELS
from onestory_cli.models.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS, base_name, read_config, shapes_of
from onestory_cli.models.catalog import CARD
from onestory_cli.training.adapter.base import AdapterModel
from onestory_cli.training.adapter.prepare import Keys
from onestory_cli.training.adapter.recipe import AdapterRecipe
from onestory_cli.training.checkpoint import atomic_path, save_weights

READ_ME = "README.md"


@dataclass(frozen=True, kw_only=True)
class TrainingSummary:
    """Facts about a training for the model card. `text` is the recipe file's text; `losses` are the last means.

    `part` is the trained expert. `other` is the adapter folder of the other expert, if the base has two.
    """

    recipe: AdapterRecipe
    text: str
    keys: Keys
    losses: Mapping[str, float]
    processes: int
    part: str = "transformer"
    other: Path | None = None


def last_losses(log: Path) -> dict[str, float]:
    """The last reported mean of each loss in a log; steps with and without memory have different names."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    found = {name: value for line in lines for name, value in line.items()}
    return {name: value for name, value in found.items() if name not in ("stage", "step", "seconds")}


def save_adapter(folder: Path, model: AdapterModel, weights: Mapping[str, Tensor], story: TrainingSummary) -> None:
    """Write the model folder; `weights` are the trained ones by "part.name"."""
    recipe = story.recipe
    adapter = folder / "adapter"
    kind = torch.bfloat16 if recipe.delta == "full" else torch.float32
    suffix = story.part.removeprefix("transformer")
    stored = {
        _with_suffix(name, suffix): value.to(kind if name.startswith("transformer.") else torch.float32)
        for name, value in weights.items()
    }
    config = _config(model, recipe, story.part)
    if story.other:
        stored = {**load_file(story.other / ADAPTER_WEIGHTS), **stored}
        config = _joined(read_config(story.other), config)
    save_weights(adapter / ADAPTER_WEIGHTS, stored)
    write_text(adapter / ADAPTER_CONFIG, _json(config))
    write_text(adapter / READ_ME, model_card(model, weights, story))
    # written last: a folder without a card is not a model
    write_text(folder / CARD, _json(_card(folder, model, story)))


def _with_suffix(name: str, suffix: str) -> str:
    """The name of a weight of the second expert: "conditioner_2.x" for "conditioner.x"; both share the selector."""
    part, _, rest = name.partition(".")
    return name if part == "selector" else f"{part}{suffix}.{rest}"


def _joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """The config of an adapter for two experts, with the per-expert entries of both merged."""
    base = {**second["base"], "shapes": {**first["base"]["shapes"], **second["base"]["shapes"]}}
    return {**first, **second, "base": base, "delta": {**first["delta"], **second["delta"]}}


def _config(model: AdapterModel, recipe: AdapterRecipe, part: str) -> dict[str, Any]:
    delta: dict[str, Any] = {"kind": recipe.delta}
    if recipe.delta == "lora":
        lora = recipe.lora
        delta["lora"] = {"rank": lora.rank, "alpha": lora.alpha, "modules": list(lora.modules)}
    return {
        "base": {"name": base_name(model.spec), "shapes": {part: shapes_of(model.transformer)}},
        "selector": model.selector.settings,
        _with_suffix("conditioner.", part.removeprefix("transformer"))[:-1]: model.conditioner.settings,
        "delta": {part: delta},
    }


def _card(folder: Path, model: AdapterModel, story: TrainingSummary) -> dict[str, Any]:
    """The model card for planning: the base, and what differs from it."""
    format, memory = story.keys.format, story.recipe.memory
    return {
        "base": _reference(story.recipe.base, model.spec.files.base, folder),
        "about": f"{story.recipe.name}: {base_name(model.spec)} with a memory adapter",
        "width": format.width,
        "height": format.height,
        "fps": format.fps,
        "frames": format.frames,
        "memory_frames": memory.remembered[0],
        "budget": memory.budgets[0],
        "policy": "coverage",
        **({"isolated_context": True} if model.spec.isolated_context else {}),
        **({"levels": [asdict(level) for level in model.spec.levels]} if model.spec.levels != LEVELS else {}),
    }


def _reference(named: str, found: str, folder: Path) -> str:
    """How the card names its base: as the recipe does, or as a relative path."""
    if Path(named).is_absolute() or not Path(found).is_dir() or Path(named).name != Path(found).name:
        return named
    return os.path.relpath(found, folder)


def model_card(model: AdapterModel, weights: Mapping[str, Tensor], story: TrainingSummary) -> str:
    """The README of the adapter: what it is, its training data, settings and losses."""
    recipe = story.recipe
    return f"""\
---
base_model: {base_name(model.spec)}
library_name: onestory
tags: [video, multi-shot, memory-adapter]
---

# {recipe.name}

A memory adapter for {base_name(model.spec)}: Frame Selector and Adaptive Conditioner of OneStory (arXiv 2512.07802),
trained with onestory. To use it, set `model:` of a story to the folder that contains this one. The licence of the base
also applies to films that are made with it.

{summary_sections(weights, story)}"""


def summary_sections(weights: Mapping[str, Tensor], story: TrainingSummary) -> str:
    """The sections of a README about data, weights, losses and recipe."""
    recipe, format, videos = story.recipe, story.keys.format, story.keys.source.videos
    shots, lengths = sum(map(len, videos)), " or ".join(map(str, format.lengths))
    parts = {
        part: sum(value.numel() for name, value in weights.items() if name.startswith(f"{part}."))
        for part in ("selector", "conditioner", "transformer")
    }
    losses = "\n".join(f"| {name} | {value:.4f} |" for name, value in sorted(story.losses.items()))
    counts = "\n".join(f"| {part} | {count:,} |" for part, count in parts.items() if count)
    return f"""\
## Data

{len(videos)} videos with {shots} shots. Each shot has {lengths} frames at {format.width}x{format.height} and \
{format.fps} frames per second.
{_relevance(story)}
## Weights

Averages of the last steps (decay {recipe.train.ema}). Delta of the transformer: {recipe.delta}.

| part | numbers |
|---|---:|
{counts}

## Losses

Means over the last {recipe.log_every} of {recipe.train.steps} steps on training data; those that are named \
`validation` are of held-out videos. Processes: {story.processes}.

| loss | |
|---|---:|
{losses}

## Recipe

```yaml
{story.text.rstrip()}
```
"""


def _relevance(story: TrainingSummary) -> str:
    """The line about the source of labels; empty for a distillation, which reads none."""
    if story.recipe.distil:
        return ""
    stated = any(shot.relevance is not None for shots in story.keys.source.videos for shot in shots[1:])
    labels = "stated in the data" if stated else "similarity by " + ", ".join(story.recipe.data.labels)
    return f"Relevance: {labels}.\n"


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as draft:
        draft.write_text(text, encoding="utf-8")
