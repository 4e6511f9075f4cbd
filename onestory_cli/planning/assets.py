"""The files of a story that a plan needs: digests of pictures and sounds, and LoRA files for the model spec."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from onestory_cli.errors import Diagnostic, ExitCode, OnestoryError, Place, did_you_mean, shorten
from onestory_cli.models.hub import cached_file
from onestory_cli.models.presets import PRESETS, preset_for
from onestory_cli.models.spec import LoraSpec, ModelSpec
from onestory_cli.planning.jobs import ImageInput
from onestory_cli.story.assets import MAX_TOTAL_BYTES
from onestory_cli.story.types import IncludedFile, LoraRequest, Story
from onestory_cli.utils.untrusted import read_limited


class AssetReader:
    """Reads the pictures and sounds of one story for their digests, and collects `findings`.

    `folder` is the story's own. `frozen` maps paths as written to the copies in a run directory, read instead.
    """

    def __init__(self, folder: Path, frozen: Mapping[str, Path]) -> None:
        self._folder, self._frozen = folder, frozen
        self._read: dict[str, ImageInput] = {}
        self.findings: list[Diagnostic] = []

    def read(self, path: str, place: Place) -> ImageInput | None:
        """The file at `path`, read once; None after adding S216 if it cannot be read."""
        if path in self._read:
            return self._read[path]
        file = self._frozen.get(path, self._folder / path)
        try:
            data = read_limited(file, MAX_TOTAL_BYTES)
        except (OSError, ValueError) as fault:
            message = f'cannot read "{shorten(path)}": {getattr(fault, "strerror", None) or fault}'
            help = "restore the file; its path is relative to the story file"
            self.findings.append(Diagnostic(code="S216", message=message, place=place, help=help))
            return None
        self._read[path] = ImageInput(path=path, sha256=hashlib.sha256(data).hexdigest(), file=file.absolute())
        return self._read[path]


def included_file(item: IncludedFile, folder: Path, frozen: Mapping[str, Path]) -> ImageInput:
    """An included file of a story, as it was read. `folder` and `frozen` are as in AssetReader."""
    file = frozen.get(item.path, folder / item.path)
    return ImageInput(path=item.path, sha256=hashlib.sha256(item.source).hexdigest(), file=file.absolute())


def with_loras(spec: ModelSpec, story: Story, files: Mapping[str, str] | None = None) -> ModelSpec:
    """Return the spec with the preset and the LoRAs of a story, after its own; LoRAs of weight 0 are left out.

    `files` maps names as written to the current files, for a story that has left its folder.

    Raises:
        OnestoryError: S157 if a file is missing, S158 if the model has no such expert, S159 if it has no such preset.
    """
    spec = with_preset(spec, story)
    loras = (*spec.files.loras, *(_lora(item, story, files or {}) for item in requested_loras(spec, story)))
    for item in loras:
        if item.expert != "both" and spec.experts == 1:
            raise OnestoryError(
                "S158",
                f'"{Path(item.file).name}" is for the {item.expert}-noise expert, but "{spec.name}" has only one '
                "transformer",
                help="remove `expert`",
                place=story.places.get("lora"),
            )
    return spec.with_fields(loras=loras)


def with_preset(spec: ModelSpec, story: Story) -> ModelSpec:
    """Return the spec with the sampling defaults of the story's preset; the spec itself without one.

    Raises:
        OnestoryError: S159 if there is no such preset, or none for this model.
    """
    if story.preset is None:
        return spec
    place = story.places.get(f"profiles.{story.profile}.preset")
    if story.preset not in PRESETS:
        help = did_you_mean(story.preset, PRESETS) or f"use one of {', '.join(PRESETS)}"
        raise OnestoryError("S159", f'unknown preset "{shorten(story.preset)}"', help=help, place=place)
    preset = preset_for(story.preset, spec)
    if preset is None:
        message = f'preset "{story.preset}" was not trained for "{spec.name}"'
        help = f"use a profile without it, or one of the models {', '.join(PRESETS[story.preset])}"
        raise OnestoryError("S159", message, help=help, place=place)
    return spec.with_fields(
        steps=preset.steps,
        guidance=preset.guidance,
        guidance_2=preset.guidance if spec.experts > 1 else None,
        scheduler=preset.scheduler,
        shift=preset.shift,
    )


def with_preset_loras(spec: ModelSpec, story: Story) -> ModelSpec:
    """Return the `first_shot_model` of a story with the sampling and the LoRAs of its preset, but not its own LoRAs.

    Raises:
        OnestoryError: S159 if there is no such preset, or none for this model.
    """
    return with_loras(spec, replace(story, loras=())) if story.preset else spec


def requested_loras(spec: ModelSpec, story: Story) -> tuple[LoraRequest, ...]:
    """The LoRAs of a story's preset, then its own; those of weight 0 are left out."""
    preset = preset_for(story.preset, spec) if story.preset and story.preset in PRESETS else None
    loras = [LoraRequest(hub=item.hub, file=item.file, expert=item.expert) for item in (preset.loras if preset else ())]
    return (*loras, *(item for item in story.loras if item.weight != 0))


def lora_files(story: Story, spec: ModelSpec) -> dict[str, str]:
    """Map the LoRAs as written in a story to the files that `spec` uses; those to download are left out."""
    names = [item.name for item in requested_loras(spec, story)]
    of_story = spec.files.loras[len(spec.files.loras) - len(names) :]
    return {name: item.file for name, item in zip(names, of_story, strict=True) if item.file}


def _lora(request: LoraRequest, story: Story, files: Mapping[str, str]) -> LoraSpec:
    if request.hub:
        return _hub_lora(request, files)
    file = Path(files.get(request.path) or Path(story.path).parent / request.path).absolute()
    if not file.is_file():
        raise OnestoryError(
            "S157",
            f'LoRA file "{shorten(file, 200)}" not found',
            help="restore the file, or render from the story file again",
            exit=ExitCode.MACHINE,
        )
    return LoraSpec(file=str(file), weight=request.weight, expert=request.expert)


def _hub_lora(request: LoraRequest, files: Mapping[str, str]) -> LoraSpec:
    """A LoRA of the hub. Its file is "" until it is downloaded; a plan needs no weights."""
    known = files.get(request.name, "")
    file = known if known and Path(known).is_file() else cached_file(request.hub, request.file)
    return LoraSpec(file=file, weight=request.weight, expert=request.expert, hub=request.hub, hub_file=request.file)
