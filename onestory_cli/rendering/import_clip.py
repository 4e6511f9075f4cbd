"""Import a clip as a take of a shot: conform it, encode it to latents and commit it like a generated take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.external.result import keep_result
from onestory_cli.planning.jobs import Plan, Reason, ReasonKind, ShotJob, retake
from onestory_cli.rendering.commit import finish_take, planned_take, record_of
from onestory_cli.rendering.generator import DecodedShot, ShotGenerator
from onestory_cli.store.disk import digest, os_errors_coded
from onestory_cli.store.keys import IMPORTED
from onestory_cli.store.latents import write_latents
from onestory_cli.store.record import ImportedClip, Record
from onestory_cli.store.run import Run
from onestory_cli.store.take_query import next_number
from onestory_cli.store.takes import Take
from onestory_cli.store.writer import RunWriter, lock_run

if TYPE_CHECKING:
    from onestory_cli.media.conform import ConformRules


def import_clip(
    plan: Plan,
    run: Run,
    load: Callable[[], ShotGenerator],
    *,
    shot: str,
    clip: Path,
    rules: ConformRules,
    accept: bool = False,
    keep: bool = False,
) -> Take:
    """Import a clip as the next take of a shot. Later shots remember it once it is accepted. `run` may not exist yet.

    With `keep`, the take also contains the clip as it is.

    Raises:
        OnestoryError: S230 for an unknown shot, M508 for an unreadable clip, M541 or M542 for a clip that does not fit,
            R4xx for an error of the disk.
    """
    from onestory_cli.media.conform import ClipTarget, conform

    job = plan.job(shot)
    target = ClipTarget(frames=job.frames, width=job.width, height=job.height, fps=job.fps)
    conformed = conform(clip, target, rules)
    with os_errors_coded(clip):
        file = digest(clip)
    origin = ImportedClip(name=clip.name, sha256=file.sha256, bytes=file.bytes, changes=conformed.changes)
    with lock_run(Run.create(run.path)) as writer:
        writer.freeze(plan)
        job = _without_memory(retake(job, next_number(plan, run, shot)))
        imported = DecodedShot(
            pixels_PHWC=conformed.pixels_PHWC,
            latents_CTHW=load().encode_clip(conformed.pixels_PHWC),
            noise_tokens=job.tokens.noise,
        )
        latents = write_latents(imported.latents_CTHW)
        planned = planned_take(writer, _record(plan, job, imported, origin), latents)
        originals = _copied(clip, writer) if keep else None
        take = finish_take(writer, planned, job, plan, latents=latents, shot=imported, seen={}, originals=originals)
        if accept:
            writer.accept(shot, take, chosen=True)
        return take


def _copied(clip: Path, writer: RunWriter) -> Path:
    """A new folder of the run with a copy of the clip."""
    folder = writer.new_folder()
    keep_result([clip], folder)
    return folder


def _without_memory(job: ShotJob) -> ShotJob:
    return replace(job, memory=replace(job.memory, sources=(), shown=()))


def _record(plan: Plan, job: ShotJob, shot: DecodedShot, origin: ImportedClip) -> Record:
    """The record of an imported take. The digest of the file in its spec gives it a key of its own."""
    reason = Reason(kind=ReasonKind.IMPORTED, detail=str(origin))
    record = record_of(plan, job, reason, shot, visible={}, environment={})
    return replace(record, spec={**record.spec, IMPORTED: origin.sha256}, imported=origin)
