"""What a film says about its making: the story as it was resolved, seeds, models and the tool, as one JSON text.

It lies in the film's own metadata, so that the film can be made again from nothing but itself, the model and the files
that the story names. Of this machine it tells nothing.
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
from onestory_cli.store.layout import INPUTS
from onestory_cli.store.run import Run
from onestory_cli.store.takes import Take
from onestory_cli.story.text import MAX_BYTES
from onestory_cli.utils.parsing import build
from onestory_cli.version import __version__

KEY = "onestory"  # of the metadata
FORMAT = 1
MAX_SHOTS = 5000  # as in the schema of stories


@dataclass(frozen=True, kw_only=True)
class RecipeModel:
    """Who drew: `fingerprint` is that of the weights and all else that shots depend on."""

    name: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How a film was made. `story` is the text of a story that makes it again, `files` the digests of what it names.

    `shots` have, in film order, the id and the number of the take, the digest of its latents, and all that its key and
    its clip depend on (`store/keys.py`).
    """

    format: int = FORMAT
    tool: str
    title: str
    model: RecipeModel
    first_shot_model: RecipeModel | None = None
    story: str
    files: Mapping[str, str]
    shots: tuple[Mapping[str, Any], ...]

    def to_text(self) -> str:
        return canonical(asdict(self)).decode()

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Provenance:
        """The recipe that `to_text` wrote under KEY.

        Raises:
            OnestoryError: M515 where there is none, or one that cannot be read.
        """
        if KEY not in metadata:
            raise _none("it says nothing about how it was made")
        try:
            document = json.loads(metadata[KEY])
            if document["format"] != FORMAT:
                raise _none(
                    f"its recipe has format {shorten(document['format'])}, and this version reads format {FORMAT}"
                )
            if len(document["story"].encode()) > MAX_BYTES or len(document["shots"]) > MAX_SHOTS:
                raise _none("it is longer than any film")
            recipe: Provenance = build(cls, document)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
            raise _none("its recipe is damaged, or of an early version") from fault
        return recipe


def provenance_of(plan: Plan, takes: Mapping[str, Take], run: Run) -> Provenance:
    """The recipe of the film that these takes make; the files of the story are called what the run calls them."""
    names = {image.path: f"{INPUTS}/{run.input(image).name}" for image in plan.files}
    return Provenance(
        tool=f"onestory {__version__}",
        title=plan.story.title,
        model=RecipeModel(name=portable(plan.model.name), fingerprint=plan.model_fingerprint),
        first_shot_model=RecipeModel(
            name=portable(plan.first_shot_model.spec.name), fingerprint=plan.first_shot_model.fingerprint
        )
        if plan.first_shot_model
        else None,
        story=story_text(plan, names=names, seeds=_seeds(plan, takes)),
        files={names[image.path]: image.sha256 for image in plan.files},
        shots=tuple(_shot(shot, take) for shot, take in takes.items()),
    )


def _seeds(plan: Plan, takes: Mapping[str, Take]) -> dict[str, int]:
    """The seeds of the takes that are not what the story alone would give."""
    made = {shot: int(take.record.spec["seed"] or 0) for shot, take in takes.items()}
    return {job.shot: made[job.shot] for job in plan.jobs if made[job.shot] != job.seed}


def _shot(shot: str, take: Take) -> dict[str, Any]:
    record = take.record
    return {"id": shot, "take": record.take, "latents": take.digest, **record.spec, **record.clip}


def _none(why: str) -> OnestoryError:
    help = "name a film that `onestory render` of this version wrote"
    return OnestoryError("M515", f"the film has no recipe that can be read: {why}", help=help)
