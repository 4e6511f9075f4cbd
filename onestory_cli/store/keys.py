"""The fields that enter a take's key, one by one.

A change here changes every key: raise KEY_VERSION and note it in the changelog. `tests/store/test_keys.py` has the
golden keys. A shot's *spec* is everything that its take depends on except its memory. Comments, titles, ids, positions
and the encoding of the clip are not part of it, so changing them renders nothing again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from onestory_cli.memory.policies import POLICIES
from onestory_cli.planning.jobs import CharacterCrop, ReasonKind, ShotJob
from onestory_cli.schedulers import SCHEDULERS
from onestory_cli.store.checksummed_json import canonical
from onestory_cli.story.types import Output

KEY_VERSION = 1
SHORT = 12

Field = str | int | float | None
Spec = Mapping[str, Field]

# The Reason that a changed field gives. If several fields changed, the first kind in this order is reported.
KINDS: dict[str, ReasonKind] = {
    "model": ReasonKind.MODEL,
    "key_version": ReasonKind.MODEL,
    "caption": ReasonKind.CAPTION,
    "negative": ReasonKind.CAPTION,
    "image": ReasonKind.IMAGE,
    "seed": ReasonKind.SEED,
    "frames": ReasonKind.SETTINGS,
    "width": ReasonKind.SETTINGS,
    "height": ReasonKind.SETTINGS,
    "steps": ReasonKind.SETTINGS,
    "guidance": ReasonKind.SETTINGS,
    "guidance_2": ReasonKind.SETTINGS,
    "scheduler": ReasonKind.SETTINGS,
    "shift": ReasonKind.SETTINGS,
    "memory_frames": ReasonKind.SETTINGS,
    "memory_budget": ReasonKind.SETTINGS,
    "memory_policy": ReasonKind.SETTINGS,
    "memory_guidance": ReasonKind.SETTINGS,
    "memory_continues": ReasonKind.SETTINGS,
    "memory_crop": ReasonKind.SETTINGS,
}


def spec_fields(job: ShotJob, model_fingerprint: str) -> dict[str, Field]:
    """The spec of a shot. Without visible memory the memory settings have no effect, so they have neutral values."""
    remembers = bool(job.memory.sources)
    return {
        "key_version": KEY_VERSION,
        "model": job.first_shot_model.fingerprint if job.first_shot_model else model_fingerprint,
        "caption": job.caption,
        "negative": job.negative,
        "image": job.image.sha256 if job.image else None,
        "seed": job.seed,
        "frames": job.frames,
        "width": job.width,
        "height": job.height,
        "steps": job.steps,
        "guidance": float(job.guidance),
        **({"guidance_2": float(job.guidance_2)} if job.guidance_2 is not None else {}),
        "scheduler": SCHEDULERS.identity(job.scheduler),
        "shift": float(job.shift),
        "memory_frames": job.memory.frames if remembers else 0,
        "memory_budget": float(job.memory.budget) if remembers else 0.0,
        "memory_policy": POLICIES.identity(job.memory.policy) if remembers else "none",
        **({"memory_guidance": float(job.memory.guidance)} if remembers and job.memory.guidance else {}),
        **({"memory_continues": 1} if job.memory.continues else {}),
        **({"memory_crop": _crop(job.memory.crop)} if job.memory.crop else {}),
    }


def _crop(crop: CharacterCrop) -> str:
    """What decides which pixels of a frame are read. Which frames are cut is part of their level."""
    return f"{crop.detector} {crop.weights}: {'; '.join(crop.looks)}"


IMPORTED = "imported"  # the field of the spec of an imported take: the digest of its file


def clip_fields(job: ShotJob, output: Output) -> dict[str, Field]:
    """How a shot's clip is encoded. The model does not see this, so it is not part of a key."""
    trim = {"trim": job.trim} if job.trim else {}
    return {"fps": job.fps, "scale": output.scale, "filter": output.filter, "crf": output.crf, **trim}


def spec_key(spec: Spec) -> str:
    """The hex digest (64 digits) of a spec."""
    return hashlib.sha256(canonical(dict(spec))).hexdigest()


def take_key(
    spec: str, visible: Mapping[str, str], shown: Mapping[str, Sequence[str]], cropped: Sequence[str] = ()
) -> str:
    """The hex digest (64 digits) of a spec's key and the digests of the visible memory, in film order.

    `shown` is included if the memory policy uses it: which sources show what the caption names. So are the `cropped`
    sources, if there are any. The names of sources and characters are not included, so renaming them renders nothing
    again.
    """
    places = {source: place for place, source in enumerate(visible)}
    groups = sorted({tuple(places[source] for source in sources) for sources in shown.values()})
    crops = [{"cropped": [places[source] for source in cropped]}] if cropped else []
    return hashlib.sha256(canonical([spec, list(visible.values()), *([groups] if groups else []), *crops])).hexdigest()


def shown_fields(job: ShotJob) -> dict[str, tuple[str, ...]]:
    """What the caption names -> the visible sources that show it; {} if the policy does not use it."""
    return {item.id: item.sources for item in job.memory.shown}


def cropped_sources(job: ShotJob) -> tuple[str, ...]:
    """The visible sources of which only the characters are read."""
    return job.memory.crop.sources if job.memory.crop else ()
