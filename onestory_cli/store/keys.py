"""What enters a key, field by field. Whoever changes a line here moves every key: raise KEY_VERSION and say so in the
changelog; `tests/store/test_keys.py` holds the golden keys.

A shot's *spec* is all that its take depends on but its memory. Comments, titles, ids, positions and the encoding of the
clip are no part of it, so they can change without making anything again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from onestory_cli.planning.jobs import ShotJob
from onestory_cli.planning.reasons import ReasonKind
from onestory_cli.store.checksummed_json import canonical
from onestory_cli.story.types import Output

KEY_VERSION = 1
SHORT = 12

Field = str | int | float | None
Spec = Mapping[str, Field]

# Which Reason a changed field gives; the first kind that changed, in this order, names the whole.
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
}


def spec_fields(job: ShotJob, model_fingerprint: str) -> dict[str, Field]:
    """The spec of a shot. One that can see no memory has no memory settings: they could change nothing."""
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
        "scheduler": job.scheduler,
        "shift": float(job.shift),
        "memory_frames": job.memory.frames if remembers else 0,
        "memory_budget": float(job.memory.budget) if remembers else 0.0,
        "memory_policy": job.memory.policy if remembers else "none",
        **({"memory_guidance": float(job.memory.guidance)} if remembers and job.memory.guidance else {}),
    }


def clip_fields(job: ShotJob, output: Output) -> dict[str, Field]:
    """How a shot's clip is encoded: nothing that the model sees, so no part of a key."""
    return {"fps": job.fps, "scale": output.scale, "filter": output.filter, "crf": output.crf}


def spec_key(spec: Spec) -> str:
    """Hex digest (64 digits) of a spec."""
    return hashlib.sha256(canonical(dict(spec))).hexdigest()


def take_key(spec: str, visible: Mapping[str, str], shown: Mapping[str, Sequence[str]]) -> str:
    """Hex digest (64 digits) of a spec's key and the digests of the whole visible memory, in film order.

    Where a policy asks for it, also of which of them show what the caption names. Names, of sources and of what is
    shown, stay out, so that renaming makes nothing again.
    """
    places = {source: place for place, source in enumerate(visible)}
    groups = sorted({tuple(places[source] for source in sources) for sources in shown.values()})
    return hashlib.sha256(canonical([spec, list(visible.values()), *([groups] if groups else [])])).hexdigest()


def shown_fields(job: ShotJob) -> dict[str, tuple[str, ...]]:
    """What the caption names, each with the visible sources that show it; empty where the policy does not ask."""
    return {item.id: item.sources for item in job.memory.shown}
