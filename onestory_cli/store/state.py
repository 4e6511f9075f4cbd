"""run.json: the accepted take of each shot, and what the run was rendered from.

A run that was killed and resumed has the same run.json as one that was not: there are no times in it, and no paths of
this machine except those of models and LoRAs. The story's text is in it too, so that story.yaml, inputs and options
change together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.models.external import source_of
from onestory_cli.models.offload.config import ExecutionConfig
from onestory_cli.planning.assets import lora_files
from onestory_cli.planning.jobs import Plan, Reason
from onestory_cli.store.checksummed_json import (
    DamagedFileError,
    canonical,
    dump_checksummed,
    load_checksummed,
    read_document,
)
from onestory_cli.store.disk import sha256
from onestory_cli.store.layout import STATE
from onestory_cli.utils.parsing import parse
from onestory_cli.version import __version__

FORMAT = 1
_SWITCHES = {item.name for item in fields(ExecutionConfig)}
_FOLDER = re.compile(r"[a-z][a-z0-9-]*/[0-9a-f]+")


@dataclass(frozen=True, kw_only=True)
class ModelUsed:
    """A model that the run was rendered with: the folder where it was found, and the fingerprint of its files.

    `fitting` has the execution options that change the output, if any. `external` is the source of an external model,
    with absolute paths.
    """

    name: str
    folder: str
    fingerprint: str
    fitting: Mapping[str, Any] = field(default_factory=dict)
    external: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AcceptedTake:
    """The accepted take of a shot: its folder below shots/, its number, and why it was rendered or kept.

    `seed` is None if it follows from the story's seed, the shot's id and the number. `chosen` is true if the user
    accepted a take of this number explicitly.
    """

    folder: str
    take: int
    reason: Reason
    seed: int | None = None
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class FilmFile:
    """The muxed film: `key` is a digest of its inputs, `sha256` and `bytes` describe the file."""

    key: str
    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class RunState:
    """The content of run.json. `inputs` maps the path of a file in the story to the digest that names its copy.

    `loras` maps the path of a LoRA in the story to its location: such files are large and not copied. `film` is None
    until the film of the accepted takes is joined.
    """

    tool: str = f"onestory {__version__}"
    model: ModelUsed
    first_model: ModelUsed | None = None
    story: str
    profile: str | None
    seed: int
    inputs: Mapping[str, str]
    loras: Mapping[str, str] = field(default_factory=dict)
    shots: Mapping[str, AcceptedTake] = field(default_factory=dict)
    film: FilmFile | None = None

    @property
    def source(self) -> bytes:
        """The bytes of the story; story.yaml must have the same."""
        return self.story.encode("utf-8", "surrogateescape")

    @property
    def given(self) -> str:
        """The digest of the run's inputs: story, options, models and files."""
        results = ("tool", "shots", "film")
        return sha256(canonical({name: value for name, value in self._document.items() if name not in results}))

    @property
    def _document(self) -> dict[str, Any]:
        """All fields. Models that are not external have no entry "external", as in early versions."""
        document = asdict(self)
        for used in (document["model"], document["first_model"]):
            if used and not used["external"]:
                del used["external"]
        return document

    def to_bytes(self) -> bytes:
        return dump_checksummed({"format": FORMAT, **self._document})

    @classmethod
    def from_bytes(cls, data: bytes) -> RunState:
        """The state that `to_bytes` wrote.

        Raises:
            DamagedFileError: it is damaged.
            OnestoryError: R403 for a newer format.
        """
        document = load_checksummed(data)
        if (version := document.pop("format", None)) != FORMAT:
            raise OnestoryError(
                "R403",
                f"the run directory has format {version}; this version reads format {FORMAT}",
                help="use the version of onestory that wrote it, or render to another directory with --run DIR",
                exit=ExitCode.MACHINE,
            )
        try:
            state: RunState = parse(cls, document)
        except ValueError as fault:
            raise DamagedFileError(f"invalid content: {fault}") from fault
        if not all(_FOLDER.fullmatch(entry.folder) for entry in state.shots.values()):
            raise DamagedFileError("an accepted take is outside of shots/")
        if not all(used.fitting.keys() <= _SWITCHES for used in (state.model, state.first_model) if used):
            raise DamagedFileError("unknown execution options of its model")
        return state


def _used(model: ModelSpec, fingerprint: str) -> ModelUsed:
    folder = str(Path(model.files.path or model.files.base).absolute())
    fitting = asdict(model.execution.recorded) if model.execution.changes else {}
    if model.external:
        source = source_of(model.external)
        return ModelUsed(name=model.name, folder=model.external.folder, fingerprint=fingerprint, external=source)
    return ModelUsed(name=model.name, folder=folder, fingerprint=fingerprint, fitting=fitting)


def state_of(plan: Plan, before: RunState | None) -> RunState:
    """The state of a run before it renders `plan`. Takes that were accepted before stay accepted.

    This includes takes of shots that are not in the story any more, until the film is complete: a shot may have been
    renamed.
    """
    return RunState(
        model=_used(plan.model, plan.model_fingerprint),
        first_model=_used(plan.first_shot_model.spec, plan.first_shot_model.fingerprint)
        if plan.first_shot_model
        else None,
        story=plan.story.source.decode("utf-8", "surrogateescape"),
        profile=plan.story.profile,
        seed=plan.story.seed,
        loras=lora_files(plan.story, plan.model),
        inputs={file.path: file.sha256 for file in plan.inputs},
        shots=before.shots if before else {},
        film=before.film if before else None,
    )


def read_state(run: Path) -> RunState | None:
    """The content of a run directory's run.json; None if the file does not exist.

    Raises:
        OnestoryError: R404 if it is damaged, R403 if a newer version wrote it, R408 if it cannot be read.
    """
    try:
        return RunState.from_bytes(read_document(run / STATE))
    except FileNotFoundError:
        return None
    except DamagedFileError as fault:
        raise OnestoryError(
            "R404",
            f'"{run / STATE}" is damaged: {fault}',
            help="delete that file, then render from the story file again; complete takes are found and kept",
            exit=ExitCode.MACHINE,
        ) from fault


def read_valid_state(run: Path) -> RunState | None:
    """As `read_state`, but None for a damaged file too."""
    try:
        return read_state(run)
    except OnestoryError as fault:
        if fault.code != "R404":
            raise
        return None
