"""From a generated shot to a take on disk: record, decode, check the quality, encode and commit.

The key and the digest of the take are known before it is decoded.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onestory_cli import events
from onestory_cli.events import Emit, Event, Preview, Warned
from onestory_cli.planning.jobs import Plan, Reason, ShotJob
from onestory_cli.quality import FROZEN, RULES, SHIFT, fault_severity, faults, judge
from onestory_cli.rendering.background import BackgroundQueue
from onestory_cli.rendering.generator import GeneratedShot, memory_state
from onestory_cli.store.disk import Disk, FileDigest, os_errors_coded, sha256
from onestory_cli.store.keys import clip_fields, spec_fields
from onestory_cli.store.latents import write_latents
from onestory_cli.store.layout import CLIP, LATENTS, take_folder
from onestory_cli.store.record import Record
from onestory_cli.store.takes import Take
from onestory_cli.store.writer import RunWriter
from onestory_cli.story.types import Output, Shot
from onestory_cli.utils.system import peak_memory_bytes
from onestory_cli.utils.text import shell_quote

if TYPE_CHECKING:
    import numpy as np

    from onestory_cli.rendering.take_generator import VisibleMemory


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
    originals: Path | None = None,
) -> Take:
    """Decode a shot if necessary, check and encode its clip, and commit the planned take.

    `seen` are the takes in its memory. What is in the folder `originals` becomes a part of the take.

    Raises:
        OnestoryError: R4xx for an error of the disk, M505 or M506 for a clip that cannot be encoded.
    """
    pixels_PHWC = shot.decode()
    frames = shot.latents_CTHW.shape[1]
    record = checked(planned.record, pixels_PHWC, frames=frames, plan=plan, seen=seen)
    record = replace(record, seconds=dict(shot.seconds))
    return commit_take(writer, record, job, plan.output, latents=latents, pixels_PHWC=pixels_PHWC, originals=originals)


def commit_take(
    writer: RunWriter,
    record: Record,
    job: ShotJob,
    output: Output,
    *,
    latents: bytes,
    pixels_PHWC: np.ndarray,
    originals: Path | None = None,
) -> Take:
    """Encode the clip and commit it with its latents and what is in the folder `originals`, which is removed.

    Raises:
        OnestoryError: as `finish_take`.
    """
    from onestory_cli.media.video import write_clip

    with writer.staging() as folder:
        writer.disk.write(folder / LATENTS, latents)
        with os_errors_coded(folder / CLIP):
            write_clip(
                folder / CLIP,
                pixels_PHWC[job.trim :],
                fps=job.fps,
                scale=output.scale or 1,
                filter=output.filter,
                crf=output.crf,
            )
        if originals:
            _move_files(originals, folder, writer.disk)
        return writer.commit(folder, record)


def _move_files(source: Path, target: Path, disk: Disk) -> None:
    """Move the files of a folder to another one, and remove it."""
    for path in sorted(source.iterdir()):
        disk.rename(path, target / path.name)
    disk.remove(source)


class Committer:
    """Commits and accepts takes one by one, in film order, while the next shot is generated.

    `takes` are the accepted takes on disk, `rendered` counts the new ones. `preview` gets a picture of each new one.
    """

    def __init__(
        self, plan: Plan, writer: RunWriter, emit: Emit, queue: BackgroundQueue, *, preview: Preview | None = None
    ) -> None:
        self._plan, self._writer, self._emit, self._queue, self._preview = plan, writer, emit, queue, preview
        self._committed: dict[Path, Take] = {}
        self.takes: dict[str, Take] = {}
        self.rendered = 0

    def emit(self, event: Event) -> None:
        """Emit an event after those of finished commits, and log it unless it is a single step."""
        self._queue.poll()
        self._emit_now(event)

    def wait(self) -> None:
        """Wait until everything is on disk.

        Raises:
            OnestoryError: R4xx for an error of the disk.
        """
        self._queue.wait()

    def committed(self, take: Take) -> Take:
        """A take as it is on disk, with its quality checks; call `wait` first."""
        return self._committed.get(take.folder, take)

    def is_new(self, take: Take) -> bool:
        """Whether a take was committed by this render."""
        return take.folder in self._committed

    def commit(
        self,
        job: ShotJob,
        record: Record,
        shot: GeneratedShot,
        memory: VisibleMemory,
        *,
        began: float,
        originals: Path | None = None,
    ) -> Take:
        """Commit a shot in the background after the previous commit has finished, and add it to `memory` at once.

        So at most one shot waits to be committed, and the takes that it remembers have their quality checks.
        """
        self.wait()
        seen = {source: self.committed(take) for source, take in memory.takes.items()}
        latents = write_latents(shot.latents_CTHW)
        take = planned_take(self._writer, record, latents)
        memory.add(take, latents)
        task = partial(
            finish_take,
            self._writer,
            take,
            job,
            self._plan,
            latents=latents,
            shot=shot,
            seen=seen,
            originals=originals,
        )

        def on_commit(whole: Take) -> None:
            self._show(job, shot)
            self._on_commit(whole, time.monotonic() - began)

        self._queue.add(task, on_commit)
        return take

    def _show(self, job: ShotJob, shot: GeneratedShot) -> None:
        """Show the middle frame of a finished shot, which is decoded already."""
        if self._preview:
            pixels_PHWC = shot.decode()
            self._preview(job.shot, job.steps, job.steps, pixels_PHWC[len(pixels_PHWC) // 2])

    def accept(self, shot: str, take: Take, *, chosen: bool) -> None:
        """Accept a take after it is committed."""
        self._queue.add(
            lambda: self._writer.accept(shot, take, chosen=chosen),
            lambda _: self.takes.__setitem__(shot, self.committed(take)),
        )

    def _on_commit(self, take: Take, seconds: float) -> None:
        self._committed[take.folder] = take
        self.rendered += 1
        self._emit_now(
            events.TakeCommitted(shot=take.shot, take=take.id, seconds=seconds, memory_bytes=peak_memory_bytes())
        )
        for warning in warnings_of(take.shot, take.record, shell_quote(self._writer.path)):
            self._emit_now(warning)

    def _emit_now(self, event: Event) -> None:
        if not isinstance(event, events.StepDone | events.NodeStep):
            self._writer.log(event)
        self._emit(event)


def checked(record: Record, pixels_PHWC: np.ndarray, *, frames: int, plan: Plan, seen: Mapping[str, Take]) -> Record:
    """The record with the checks of its clip, which has `frames` latent frames. `seen` are the takes in its memory."""
    from onestory_cli.media.clip_faults import measure
    from onestory_cli.media.colour import colours

    numbers: dict[str, float | None] = {**measure(pixels_PHWC)}
    if not _should_move(plan, record.shot):
        numbers[FROZEN] = None
    record = replace(record, colours=colours(pixels_PHWC, frames))
    numbers[SHIFT] = _shift(record, plan, seen)
    return replace(record, checks=tuple(judge(name, numbers[name]) for name in RULES))


def warnings_of(shot: str, record: Record, run: str) -> Iterator[Warned]:
    """A warning for each failed check of a take."""
    for check in faults(record.checks):
        rule = RULES[check.name]
        number = f"{check.name} {check.value:g}, limit {check.limit:g}"
        help = f"watch the clip, or render another take with `onestory take new {run} {shot}`"
        message = f'take {record.take} of "{shot}": {rule.message} ({number})'
        yield Warned(code=rule.code, message=message, help=help, shot=shot)


def is_bad(take: Take) -> bool:
    return bool(faults(take.record.checks))


def quality_key(take: Take) -> tuple[int, float, int]:
    """A sort key, best take first: the fewest failed checks, then the smallest excess, then the lowest number."""
    return (*fault_severity(take.record.checks), take.record.take)


def _should_move(plan: Plan, shot: str) -> bool:
    """Whether a shot shows a declared character. If the story declares none, every shot may show one."""
    return not plan.story.characters or any(item.kind == "character" for item in _story_shot(plan, shot).mentions)


def _shift(record: Record, plan: Plan, seen: Mapping[str, Take]) -> float | None:
    """The CIELAB distance of the clip's mean colour to the nearest remembered frame of the same setting, if any."""
    settings = _settings(_story_shot(plan, record.shot))
    mean = _mean_colour(record.colours)
    distances = []
    for frame in record.memory.selected:
        take = seen.get(frame.source)
        if take and frame.index < len(take.record.colours) and settings & _settings(_story_shot(plan, frame.source)):
            distances.append(sum((x - y) ** 2 for x, y in zip(mean, take.record.colours[frame.index], strict=True)))
    return min(distances) ** 0.5 if distances else None


def _story_shot(plan: Plan, id: str) -> Shot:
    return next(shot for shot in plan.story.shots if shot.id == id)


def _settings(shot: Shot) -> set[str]:
    return {item.id for item in shot.mentions if item.kind == "setting"}


def _mean_colour(colours: tuple[tuple[float, float, float], ...]) -> tuple[float, ...]:
    return tuple(sum(column) / len(colours) for column in zip(*colours, strict=True))
