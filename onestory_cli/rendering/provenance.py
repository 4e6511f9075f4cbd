"""The provenance in a film's metadata: the resolved story, seeds, models and the tool, as JSON.

With the model and the files that the story names, the film can be rendered again from it. It says nothing about the
machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from onestory_cli.errors import OnestoryError, shorten
from onestory_cli.planning.jobs import Plan
from onestory_cli.planning.serialize import portable, story_text
from onestory_cli.store.checksummed_json import canonical
from onestory_cli.store.keys import IMPORTED
from onestory_cli.store.layout import INPUTS
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Take
from onestory_cli.story.text import MAX_BYTES
from onestory_cli.utils.parsing import parse
from onestory_cli.version import __version__

KEY = "onestory"  # in the metadata
FORMAT = 1
MAX_SHOTS = 5000  # as in the schema of stories


@dataclass(frozen=True, kw_only=True)
class ProvenanceModel:
    """A model: `fingerprint` covers its weights and everything else that shots depend on."""

    name: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How a film was rendered. `story` is the text of a story that renders it again, `files` the digests of its files.

    `shots` has for each shot, in film order, its id, the number of its take, the digest of the latents, and the fields
    of the take's spec and clip (`store/keys.py`); "imported" has name and digest of the file of an imported take.
    """

    format: int = FORMAT
    tool: str
    title: str
    model: ProvenanceModel
    first_shot_model: ProvenanceModel | None = None
    story: str
    files: Mapping[str, str]
    shots: tuple[Mapping[str, Any], ...]

    def to_text(self) -> str:
        return canonical(asdict(self)).decode()

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Provenance:
        """The provenance that `to_text` wrote under KEY.

        Raises:
            OnestoryError: M515 if there is none or it is invalid.
        """
        if KEY not in metadata:
            raise _unreadable("its metadata has none")
        try:
            document = json.loads(metadata[KEY])
            if document["format"] != FORMAT:
                raise _unreadable(
                    f"it has format {shorten(document['format'])}, and this version reads format {FORMAT}"
                )
            if len(document["story"].encode()) > MAX_BYTES or len(document["shots"]) > MAX_SHOTS:
                raise _unreadable("it is too long")
            provenance: Provenance = parse(cls, document)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
            raise _unreadable("it is damaged, or an early version wrote it") from fault
        return provenance


def provenance_of(plan: Plan, takes: Mapping[str, Take], run: Run) -> Provenance:
    """The provenance of the film of these takes. The story's files have the names of their copies in the run."""
    names = {image.path: f"{INPUTS}/{run.input(image).name}" for image in plan.files}
    return Provenance(
        tool=f"onestory {__version__}",
        title=plan.story.title,
        model=ProvenanceModel(name=portable(plan.model.name), fingerprint=plan.model_fingerprint),
        first_shot_model=ProvenanceModel(
            name=portable(plan.first_shot_model.spec.name), fingerprint=plan.first_shot_model.fingerprint
        )
        if plan.first_shot_model
        else None,
        story=story_text(plan, names=names, seeds=_seeds(plan, takes)),
        files={names[image.path]: image.sha256 for image in plan.files},
        shots=tuple(_shot(shot, take) for shot, take in takes.items()),
    )


def _seeds(plan: Plan, takes: Mapping[str, Take]) -> dict[str, int]:
    """The seeds of the takes that differ from those that the story gives."""
    seeds = {shot: int(take.record.spec["seed"] or 0) for shot, take in takes.items()}
    return {job.shot: seeds[job.shot] for job in plan.jobs if seeds[job.shot] != job.seed}


def _shot(shot: str, take: Take) -> dict[str, Any]:
    record = take.record
    imported = {IMPORTED: {"name": record.imported.name, "sha256": record.imported.sha256}} if record.imported else {}
    return {"id": shot, "take": record.take, "latents": take.digest, **record.spec, **record.clip, **imported}


def _unreadable(why: str) -> OnestoryError:
    help = "use a film that `onestory render` of this version wrote"
    return OnestoryError("M515", f"cannot read the provenance of the film: {why}", help=help)
