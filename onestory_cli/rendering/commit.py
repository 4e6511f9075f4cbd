"""From a generated shot to a take on disk. The key and the digest of the take are known before it is decoded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from onestory_cli.planning.jobs import Plan, ShotJob
from onestory_cli.planning.reasons import Reason
from onestory_cli.rendering.generator import GeneratedShot, memory_state
from onestory_cli.rendering.quality import checked
from onestory_cli.store.disk import FileDigest, os_errors_coded, sha256
from onestory_cli.store.keys import clip_fields, spec_fields
from onestory_cli.store.layout import CLIP, LATENTS, take_folder
from onestory_cli.store.record import Record
from onestory_cli.store.takes import Take
from onestory_cli.store.writer import RunWriter
from onestory_cli.story.types import Output

if TYPE_CHECKING:
    import numpy as np


def record_of(
    plan: Plan,
    job: ShotJob,
    reason: Reason,
    shot: GeneratedShot,
    *,
    visible: Mapping[str, str],
    environment: Mapping[str, Any],
) -> Record:
    """The record of a generated shot, without what follows from its pixels. `visible` are digests by source."""
    return Record(
        shot=job.shot,
        take=job.take,
        seed_base=job.seed_rule.base,
        seed_given=job.seed_rule.given,
        spec=spec_fields(job, plan.model_fingerprint),
        clip=clip_fields(job, plan.output),
        memory=memory_state(job, shot, visible, noise_tokens=shot.noise_tokens),
        reason=reason,
        seconds=dict(shot.seconds),
        environment=dict(environment),
        created=time.time(),
    )


def planned_take(writer: RunWriter, record: Record, latents: bytes) -> Take:
    """The take that a record will belong to: its folder, and the digest by which later shots remember it."""
    known = {LATENTS: FileDigest(sha256=sha256(latents), bytes=len(latents))}
    folder = take_folder(writer.path, record.shot, record.key)
    return Take(shot=record.shot, folder=folder, record=replace(record, files=known))


def finish_take(
    writer: RunWriter,
    planned: Take,
    job: ShotJob,
    plan: Plan,
    *,
    latents: bytes,
    shot: GeneratedShot,
    seen: Mapping[str, Take],
) -> Take:
    """Decode a shot if necessary, check and encode its clip, and commit the planned take.

    `seen` are the takes in its memory.

    Raises:
        OnestoryError: R4xx for an error of the disk, M505 or M506 for a clip that cannot be encoded.
    """
    pixels_PHWC = shot.decode()
    frames = shot.latents_CTHW.shape[1]
    record = checked(planned.record, pixels_PHWC, frames=frames, plan=plan, seen=seen)
    record = replace(record, seconds=dict(shot.seconds))
    return commit_take(writer, record, job, plan.output, latents=latents, pixels_PHWC=pixels_PHWC)


def commit_take(
    writer: RunWriter, record: Record, job: ShotJob, output: Output, *, latents: bytes, pixels_PHWC: np.ndarray
) -> Take:
    """Encode the clip and commit it with its latents.

    Raises:
        OnestoryError: as `finish_take`.
    """
    from onestory_cli.media.video import write_clip

    with writer.staging() as folder:
        writer.disk.write(folder / LATENTS, latents)
        with os_errors_coded(folder / CLIP):
            write_clip(
                folder / CLIP,
                pixels_PHWC,
                fps=job.fps,
                scale=output.scale or 1,
                filter=output.filter,
                crf=output.crf,
            )
        return writer.commit(folder, record)
