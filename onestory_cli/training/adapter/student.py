"""Write a distilled student: a LoRA file in the naming of diffusers, and a README with the profile that uses it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from onestory_cli.generation.denoise import DenoiseConfig
from onestory_cli.models.adapter import STUDENT, base_name
from onestory_cli.models.spec import ModelSpec
from onestory_cli.training.adapter.fit import student_schedule, teacher_guidance
from onestory_cli.training.adapter.recipe import AdapterRecipe, Distillation
from onestory_cli.training.adapter.save import READ_ME, TrainingSummary, summary_sections, write_text
from onestory_cli.training.checkpoint import save_weights

STUDENT_WEIGHTS = "pytorch_lora_weights.safetensors"  # the name that diffusers looks for in a folder


def save_student(path: Path, spec: ModelSpec, weights: Mapping[str, Tensor], story: TrainingSummary) -> None:
    """Write the LoRA file and a README next to it; `weights` are the trained ones by "part.name"."""
    recipe = story.recipe
    assert recipe.distil is not None
    save_weights(path, lora_state(weights, scale=recipe.lora.alpha / recipe.lora.rank))
    write_text(path.parent / READ_ME, _read_me(spec, recipe.distil, weights, story, path))


def lora_state(weights: Mapping[str, Tensor], *, scale: float) -> dict[str, Tensor]:
    """The weights of a student as diffusers names them: "transformer.MODULE.lora_A.weight".

    `scale` is multiplied into lora_B, because a file without alpha has a scale of 1.
    """
    return {
        name.replace(f".{STUDENT}.", "."): (value * scale if ".lora_B." in name else value).contiguous()
        for name, value in weights.items()
    }


def profile_of(schedule: DenoiseConfig, recipe: AdapterRecipe, path: Path) -> str:
    """The lines of a story that render with the student as profile `fast`."""
    expert = f", expert: {recipe.expert}" if recipe.expert else ""
    return f"""\
profiles:
  fast:
    lora: [{{path: {json.dumps(path.as_posix())}{expert}}}]
    steps: {schedule.steps}
    guidance: 1
    scheduler: {schedule.name}
    shift: {schedule.shift:g}
    memory: {{guidance: 0}}"""


def _read_me(
    spec: ModelSpec, distil: Distillation, weights: Mapping[str, Tensor], story: TrainingSummary, path: Path
) -> str:
    recipe, schedule = story.recipe, student_schedule(distil, spec)
    guidance = teacher_guidance(distil, spec)
    other = {"high": "low", "low": "high"}.get(recipe.expert, "")
    both = (
        f"\nList the student of the {other}-noise expert as well: the profile applies to both experts.\n"
        if other
        else ""
    )
    return f"""\
---
base_model: {base_name(spec)}
library_name: diffusers
tags: [video, lora, distillation]
---

# {recipe.name}

A LoRA for {base_name(spec)} that samples in {distil.steps} steps of one pass each. It was distilled with onestory
from guided sampling (guidance {guidance:g}, memory guidance {distil.memory_guidance:g}). The licence of the base also
applies to films that are made with it.

To use it, add this profile to a story with `model: {recipe.base}`, and render with `--profile fast`. The path is \
absolute or relative to the story.

```yaml
{profile_of(schedule, recipe, path)}
```
{both}
{summary_sections(weights, story)}"""
