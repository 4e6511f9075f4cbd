"""From a made shot to a take on the disk: what it will be is known before its latents are decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from onestory_cli.planning.jobs import Plan, ShotJob
from onestory_cli.rendering.generator import GeneratedShot
from onestory_cli.rendering.quality import checked
from onestory_cli.store.disk import FileDigest, os_errors_coded, sha256
from onestory_cli.store.record import Record
from onestory_cli.store.run import Run
from onestory_cli.store.takes import CLIP, LATENTS, Take
from onestory_cli.story.types import Output

if TYPE_CHECKING:
    import numpy as np


def promised(run: Run, record: Record, latents: bytes) -> Take:
    """The take that a record will be of: its place, and the digest by which a later shot remembers it.

    The clip's digest is not in it yet, nor what is measured on its pixels.
    """
    known = {LATENTS: FileDigest(sha256=sha256(latents), bytes=len(latents))}
    return Take(shot=record.shot, folder=run.take_folder(record.shot, record.key), record=replace(record, files=known))


def finish(
    run: Run, promise: Take, job: ShotJob, plan: Plan, *, latents: bytes, made: GeneratedShot, seen: Mapping[str, Take]
) -> Take:
    """Decode a made shot where that is not done yet, check its clip, encode it, and make the promised take a real one.

    `seen` are takes in its memory.

    Raises:
        OnestoryError: R4xx for what the disk refuses, M505 or M506 for a clip that cannot be encoded.
    """
    pixels_PHWC = made.decode()
    frames = made.latents_CTHW.shape[1]
    record = checked(promise.record, pixels_PHWC, frames=frames, plan=plan, seen=seen)
    record = replace(record, seconds=dict(made.seconds))
    take = replace(promise, record=record)
    return commit(run, take, job, plan.output, latents=latents, pixels_PHWC=pixels_PHWC)


def commit(run: Run, take: Take, job: ShotJob, output: Output, *, latents: bytes, pixels_PHWC: np.ndarray) -> Take:
    """Encode the clip and let the take appear.

    Raises:
        OnestoryError: as `finish` does.
    """
    from onestory_cli.media.video import write_clip

    with run.staging() as folder:
        run.disk.write(folder / LATENTS, latents)
        with os_errors_coded(folder / CLIP):
            write_clip(
                folder / CLIP,
                pixels_PHWC,
                fps=job.fps,
                scale=output.scale or 1,
                filter=output.filter,
                crf=output.crf,
            )
        return run.commit(folder, take.record)
