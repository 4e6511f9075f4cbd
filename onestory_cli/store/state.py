"""run.json: which take of each shot counts, and what the run was made from.

It holds nothing that differs between a run that was killed and resumed and one that was not: no times, no paths of
this machine but the model's. The story's text is in it too, so that story.yaml, inputs and options change as one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.models.offload.config import ExecutionConfig
from onestory_cli.planning.assets import lora_files
from onestory_cli.planning.jobs import Plan
from onestory_cli.planning.reasons import Reason
from onestory_cli.store.checksummed_json import DamagedFileError, canonical, dump_checksummed, load_checksummed
from onestory_cli.store.disk import sha256
from onestory_cli.utils.parsing import build
from onestory_cli.version import __version__

FORMAT = 1
_SWITCHES = {item.name for item in fields(ExecutionConfig)}
_FOLDER = re.compile(r"[a-z][a-z0-9-]*/[0-9a-f]+")


@dataclass(frozen=True, kw_only=True)
class ModelUsed:
    """`folder` is where the model was found; `fingerprint` says whether it still is that model.

    `fitting` has the switches that change bytes, where there are any.
    """

    name: str
    folder: str
    fingerprint: str
    fitting: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AcceptedTake:
    """The take that counts: `folder` below shots/, the number of the take, and why it was made or kept.

    `seed` is None where it follows from the story, the shot's id and the number. `chosen` says that somebody accepted a
    take of this number by hand.
    """

    folder: str
    take: int
    reason: Reason
    seed: int | None = None
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class FilmFile:
    """The film as muxed: `key` is a digest of all that went into it, `sha256` of what came out."""

    key: str
    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class RunState:
    """The whole of run.json. `inputs` maps a picture's path in the story to the digest that names its frozen copy.

    `loras` maps a LoRA's path in the story to where it lies: such files are large and not copied.
    `film` is None as long as there is a film to make.
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
        """The bytes of the story, which story.yaml must have."""
        return self.story.encode("utf-8", "surrogateescape")

    @property
    def given(self) -> str:
        """The digest of what the run was given: story, options, models and files; not of what was made of it."""
        made = ("tool", "shots", "film")
        return sha256(canonical({name: value for name, value in asdict(self).items() if name not in made}))

    def to_bytes(self) -> bytes:
        return dump_checksummed({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_bytes(cls, data: bytes) -> RunState:
        """The state that `to_bytes` wrote.

        Raises:
            BrokenSeal: it is not whole.
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
            state: RunState = build(cls, document)
        except ValueError as fault:
            raise DamagedFileError(f"it cannot be read: {fault}") from fault
        if not all(_FOLDER.fullmatch(entry.folder) for entry in state.shots.values()):
            raise DamagedFileError("a take of it lies elsewhere")
        if not all(used.fitting.keys() <= _SWITCHES for used in (state.model, state.first_model) if used):
            raise DamagedFileError("its model is fitted by switches that there are not")
        return state


def _used(model: ModelSpec, fingerprint: str) -> ModelUsed:
    folder = str(Path(model.files.path or model.files.base).absolute())
    fitting = asdict(model.execution.recorded) if model.execution.changes else {}
    return ModelUsed(name=model.name, folder=folder, fingerprint=fingerprint, fitting=fitting)


def state_of(plan: Plan, before: RunState | None) -> RunState:
    """The state of a run that is to render `plan`; takes that were accepted before stay so.

    Those of shots that the story has no more do too, until the film is whole: a shot may only be called otherwise now.
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
        inputs={image.path: image.sha256 for image in plan.files},
        shots=before.shots if before else {},
        film=before.film if before else None,
    )
