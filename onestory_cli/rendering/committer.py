"""Commit generated shots in the background, and emit the events of a render in order."""

from __future__ import annotations

import resource
import sys
import time
from functools import partial
from pathlib import Path

from onestory_cli import events
from onestory_cli.events import Emit, Event
from onestory_cli.planning.jobs import Plan, ShotJob
from onestory_cli.rendering.background import BackgroundQueue
from onestory_cli.rendering.commit import finish_take, planned_take
from onestory_cli.rendering.generator import GeneratedShot
from onestory_cli.rendering.memory import VisibleMemory
from onestory_cli.rendering.quality import warnings_of
from onestory_cli.store.record import Record
from onestory_cli.store.takes import Take, write_latents
from onestory_cli.store.writer import RunWriter
from onestory_cli.utils.text import shell_quote


class Committer:
    """Commits and accepts takes one by one, in film order, while the next shot is generated.

    `takes` are the accepted takes on disk, `rendered` counts the new ones.
    """

    def __init__(self, plan: Plan, writer: RunWriter, emit: Emit, queue: BackgroundQueue) -> None:
        self._plan, self._writer, self._emit, self._queue = plan, writer, emit, queue
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

    def commit(self, job: ShotJob, record: Record, shot: GeneratedShot, memory: VisibleMemory, *, began: float) -> Take:
        """Commit a shot in the background after the previous commit has finished, and add it to `memory` at once.

        So at most one shot waits to be committed, and the takes that it remembers have their quality checks.
        """
        self.wait()
        seen = {source: self.committed(take) for source, take in memory.takes.items()}
        latents = write_latents(shot.latents_CTHW)
        take = planned_take(self._writer, record, latents)
        memory.add(take, latents)
        task = partial(finish_take, self._writer, take, job, self._plan, latents=latents, shot=shot, seen=seen)
        self._queue.add(task, lambda whole: self._on_commit(whole, time.monotonic() - began))
        return take

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
        if not isinstance(event, events.StepDone):
            self._writer.log(event)
        self._emit(event)


def peak_memory_bytes() -> int:
    """The peak resident memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts kilobytes
