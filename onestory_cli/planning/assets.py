"""The files of a story that a plan needs: digests of pictures and sounds, and LoRA files for the model spec."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from onestory_cli.errors import Diagnostic, ExitCode, OnestoryError, Place, shorten
from onestory_cli.models.spec import LoraSpec, ModelSpec
from onestory_cli.planning.jobs import ImageInput
from onestory_cli.story.assets import MAX_TOTAL_BYTES
from onestory_cli.story.types import LoraRequest, Story
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


def with_loras(spec: ModelSpec, story: Story, files: Mapping[str, str] | None = None) -> ModelSpec:
    """Return the spec with the LoRAs of a story; those of weight 0 are left out.

    `files` maps paths as written to the current files, for a story that has left its folder.

    Raises:
        OnestoryError: S157 if a file is missing, S158 if the model has no such expert.
    """
    loras = tuple(_lora(item, story, files or {}) for item in story.loras if item.weight != 0)
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


def lora_files(story: Story, spec: ModelSpec) -> dict[str, str]:
    """Map the LoRA paths as written in a story to the files that `spec` uses."""
    paths = [item.path for item in story.loras if item.weight != 0]
    return dict(zip(paths, (item.file for item in spec.files.loras), strict=True))


def _lora(request: LoraRequest, story: Story, files: Mapping[str, str]) -> LoraSpec:
    file = Path(files.get(request.path) or Path(story.path).parent / request.path).absolute()
    if not file.is_file():
        raise OnestoryError(
            "S157",
            f'LoRA file "{shorten(file, 200)}" not found',
            help="restore the file, or render from the story file again",
            exit=ExitCode.MACHINE,
        )
    return LoraSpec(file=str(file), weight=request.weight, expert=request.expert)
