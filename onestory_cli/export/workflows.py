"""Write one ComfyUI workflow per shot, with its values and the pictures that it remembers.

Shape letters: T pictures of one source, H W pixels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.export.mark import MARK, with_software
from onestory_cli.export.write import require_free
from onestory_cli.external.job import external_job, picture_name
from onestory_cli.external.node_inputs import optional_inputs
from onestory_cli.external.prompt import FOLDER, build_prompt
from onestory_cli.models.external import DEFAULT_SERVER
from onestory_cli.models.workflow import REFERENCES, Workflow, read_workflow
from onestory_cli.planning.jobs import REFERENCE_MARK, Plan, ShotJob
from onestory_cli.rendering.generator import ShotGenerator
from onestory_cli.rendering.take_generator import read_cropped, read_whole
from onestory_cli.store.disk import os_errors_coded
from onestory_cli.store.run import Run
from onestory_cli.store.take_query import accepted_takes
from onestory_cli.store.takes import Take
from onestory_cli.utils.atomic import replacing

if TYPE_CHECKING:
    import numpy as np

    from onestory_cli.models.character_crops import CharacterCropper

INPUT = "input"  # its content belongs into the input folder of the server
LIST = "shots.json"


@dataclass(frozen=True, kw_only=True)
class ShotWorkflow:
    """A written workflow, and the pictures that it needs. `missing` are earlier shots without a take."""

    shot: str
    workflow: str
    pictures: tuple[str, ...]
    missing: tuple[str, ...]


def workflow_of(plan: Plan, template: Path | None) -> Workflow:
    """The workflow to fill: `template`, or else the model of the plan.

    Raises:
        OnestoryError: M551 for a workflow that cannot be used, X806 if there is none.
    """
    model = plan.model.external
    if template is None and not (model and model.workflow):
        help = "write one with `onestory models template NAME`, then pass it with `--template FILE`"
        raise OnestoryError("X806", f'"{plan.model.name}" is not a workflow', help=help, exit=ExitCode.USAGE)
    return read_workflow(template or Path(model.workflow if model else ""))


def export_workflows(
    plan: Plan, run: Run, workflow: Workflow, load: Callable[[], ShotGenerator], path: Path, *, force: bool
) -> tuple[ShotWorkflow, ...]:
    """Write the workflows of all shots of a plan to a folder, as they are with the takes that `run` has accepted.

    Raises:
        OnestoryError: X801 if `path` exists, R4xx for errors of the disk; see also `write_workflows`.
    """
    require_free(path, force=force)
    state = run.state()
    takes = accepted_takes(run.path, state, [job.shot for job in plan.jobs]).takes if state else {}
    with os_errors_coded(path), replacing(path) as pending:
        return write_workflows(plan, takes, workflow, load, pending)


def write_workflows(
    plan: Plan, takes: Mapping[str, Take], workflow: Workflow, load: Callable[[], ShotGenerator], folder: Path
) -> tuple[ShotWorkflow, ...]:
    """Write a workflow per shot into a new folder, the pictures into `input/onestory`, and a list of both.

    Raises:
        OnestoryError: M554 for a shot that the workflow cannot make without a picture; errors of loading the model,
            which selects the pictures.
    """
    memory = RememberedPictures(plan, takes, load)
    remembers = "references" if workflow.references else "first-frame"
    (folder / INPUT / FOLDER).mkdir(parents=True)
    server = plan.model.external.server if plan.model.external else ""
    optional = optional_inputs(workflow, server or DEFAULT_SERVER)
    digits = len(str(len(plan.jobs))) + 1
    written = []
    for job in plan.jobs:
        image = read_cropped(job.image.file, width=job.width, height=job.height) if job.image else None
        external = external_job(job, image=image, pictures=memory.pictures(job), remembers=remembers)
        store = PictureFolder(folder / INPUT)
        prompt = build_prompt(workflow, external, optional=optional, place=store.place)
        name = f"{job.index + 1:0{digits}}-{job.shot}.json"
        _write_json(folder / name, _with_mark(prompt))
        missing = memory.missing(job)
        written.append(ShotWorkflow(shot=job.shot, workflow=name, pictures=tuple(store.names), missing=missing))
    _write_json(folder / LIST, {"written_by": MARK.decode(), "shots": [asdict(item) for item in written]})
    return tuple(written)


class PictureFolder:
    """A copy of the input folder of a server. `names` are the pictures that `place` was given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.names: dict[str, None] = {}

    def place(self, png: bytes) -> str:
        """Write a picture and return its name in the folder."""
        name = f"{FOLDER}/{picture_name(png)}"
        (self._folder / name).write_bytes(with_software(png, MARK))
        self.names[name] = None
        return name


def _with_mark(prompt: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The nodes with the mark of an export in the first one, where ComfyUI ignores it."""
    nodes = {id: {"_meta": node.get("_meta", {}), **node} for id, node in prompt.items()}
    first = next(iter(nodes.values()))
    first["_meta"] = {**first["_meta"], "written_by": MARK.decode()}
    return nodes


def _write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")


class RememberedPictures:
    """The pictures that shots remember of the takes that exist. The model is loaded for the first shot with memory."""

    def __init__(self, plan: Plan, takes: Mapping[str, Take], load: Callable[[], ShotGenerator]) -> None:
        self._plan, self._takes, self._load = plan, takes, load
        self._images = {item.source: item.image.file for item in plan.references}
        self._encoded: dict[tuple[str, int, int], np.ndarray] = {}  # images at the sizes of shots

    def missing(self, job: ShotJob) -> tuple[str, ...]:
        """The visible shots without a take."""
        return tuple(source for source in job.memory.sources if not self._exists(source))

    def pictures(self, job: ShotJob) -> list[np.ndarray]:
        """The remembered pictures (H, W, 3) uint8, the most relevant first, at most as many as a workflow can take."""
        visible = [source for source in job.memory.sources if self._exists(source)]
        if not visible or not job.memory.frames:
            return []
        memory = {source: self._latents(source, job) for source in visible}
        selection = self._generator.recall(job, memory).selection[: len(REFERENCES)]
        shown = {source: self._shown(source, job) for source in dict.fromkeys(frame.source for frame in selection)}
        pictures = [shown[frame.source][frame.index] for frame in selection]
        if crop := job.memory.crop:
            pictures = self._cropper.crop(pictures, selection, detector=crop.detector, looks=crop.looks)
        return pictures

    @cached_property
    def _generator(self) -> ShotGenerator:
        return self._load()

    @cached_property
    def _cropper(self) -> CharacterCropper:
        from onestory_cli.models.character_crops import CharacterCropper

        return CharacterCropper()

    def _exists(self, source: str) -> bool:
        return source in self._takes or source in self._images

    def _latents(self, source: str, job: ShotJob) -> np.ndarray:
        if source in self._takes:
            return self._takes[source].latents()
        key = source, job.width, job.height
        if key not in self._encoded:
            self._encoded[key] = self._generator.encode_reference(self._image(source, job))
        return self._encoded[key]

    def _shown(self, source: str, job: ShotJob) -> np.ndarray:
        """The pictures of the latent frames of a source (T, H, W, 3): these themselves for a model of pictures."""
        if source.startswith(REFERENCE_MARK):
            return self._image(source, job)[None]
        take = self._takes[source]
        if self._plan.model.external:
            return take.latents().transpose(1, 2, 3, 0)
        from onestory_cli.media.video import read_clip
        from onestory_cli.report.pictures import shown_frames

        pixels_PHWC = read_clip(take.clip, take.record.clip_size)
        return pixels_PHWC[shown_frames(len(pixels_PHWC), take.shape[1])]

    def _image(self, source: str, job: ShotJob) -> np.ndarray:
        return read_whole(self._images[source], width=job.width, height=job.height)
