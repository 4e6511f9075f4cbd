"""The LoRAs of a story, put into the spec of its model: from there they are loaded and enter keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.models.spec import LoraSpec, ModelSpec
from onestory_cli.story.types import LoraRequest, Story


def with_loras(spec: ModelSpec, story: Story, files: Mapping[str, str] | None = None) -> ModelSpec:
    """The spec with the LoRAs that a story asks for; of weight 0 there is none. `files` says where their paths as
    written lie by now, for a story that is not in its own folder any more.

    Raises:
        OnestoryError: S157 for a file that is gone, S158 for an expert that the model does not have.
    """
    loras = tuple(_lora(item, story, files or {}) for item in story.loras if item.weight != 0)
    for item in loras:
        if item.expert != "both" and spec.experts == 1:
            raise OnestoryError(
                "S158",
                f'"{spec.name}" has one transformer, and "{Path(item.file).name}" is for that of {item.expert} noise',
                help="leave `expert` out",
                place=story.places.get("lora"),
            )
    return replace(spec, loras=loras)


def lora_files(story: Story, spec: ModelSpec) -> dict[str, str]:
    """Where the LoRA files of a story lie, by their paths as written."""
    paths = [item.path for item in story.loras if item.weight != 0]
    return dict(zip(paths, (item.file for item in spec.loras), strict=True))


def _lora(asked: LoraRequest, story: Story, files: Mapping[str, str]) -> LoraSpec:
    file = Path(files.get(asked.path) or Path(story.path).parent / asked.path).absolute()
    if not file.is_file():
        raise OnestoryError(
            "S157",
            f'no LoRA file "{shorten(file, 200)}"',
            help="put it back, or render from the story file again",
            exit=ExitCode.MACHINE,
        )
    return LoraSpec(file=str(file), weight=asked.weight, expert=asked.expert)
