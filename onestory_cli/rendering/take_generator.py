"""Generate takes: load the model when it is first needed, ask it for shots and hand them to the committer."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from onestory_cli import events
from onestory_cli.planning.jobs import Plan, ShotJob
from onestory_cli.planning.reasons import Reason
from onestory_cli.rendering.checkpoints import TakeCheckpoint
from onestory_cli.rendering.commit import Committer, record_of
from onestory_cli.rendering.generator import ShotGenerator, ShotRequest, memory_state
from onestory_cli.rendering.memory import References, VisibleMemory, first_frame
from onestory_cli.rendering.options import RenderOptions
from onestory_cli.store.partials import KeptPartial
from onestory_cli.store.record import MemoryState
from onestory_cli.store.takes import Take
from onestory_cli.store.writer import RunWriter

if TYPE_CHECKING:
    import numpy as np


class TakeGenerator:
    """Generates takes from what their shots can see: `memory`, which it fills with reference images on demand."""

    def __init__(
        self,
        plan: Plan,
        writer: RunWriter,
        load: Callable[[], ShotGenerator],
        committer: Committer,
        options: RenderOptions,
    ) -> None:
        self._plan, self._writer, self._load, self._options = plan, writer, load, options
        self._committer = committer
        self.references = References(plan, writer, encode=self._encode, wait=committer.wait)
        self.memory = VisibleMemory(self.references)

    def recall(self, job: ShotJob) -> MemoryState:
        """The memory state that a new take of the job would have."""
        selection = self._model.recall(job, self.memory.latents(job))
        return memory_state(job, selection, self.memory.of(job), noise_tokens=job.tokens.noise)

    def generate(self, job: ShotJob, key: str, reason: Reason, partial: KeptPartial | None) -> Take:
        """Generate the take with this key, resuming `partial`, and commit it in the background.

        Raises:
            KeyboardInterrupt: the render was asked to stop.
        """
        if self._options.stop():
            raise KeyboardInterrupt
        began = time.monotonic()
        self._committer.emit(
            events.ShotStarted(
                shot=job.shot,
                index=job.index,
                shots=len(self._plan.jobs),
                reason=str(reason),
                steps=job.steps,
                goes_on=str(partial or ""),
            )
        )
        shot = self._model.generate(self._request(job, key))
        environment = self._model.environment()
        record = record_of(self._plan, job, reason, shot, visible=self.memory.of(job), environment=environment)
        return self._committer.commit(job, record, shot, self.memory, began=began)

    def _request(self, job: ShotJob, key: str) -> ShotRequest:
        emit = self._committer.emit
        return ShotRequest(
            job=job,
            memory=self.memory.latents(job),
            image=first_frame(job, job.image, self._writer.run) if job.image else None,
            emit=emit,
            checkpoint=TakeCheckpoint(self._writer, job.shot, key, emit=emit, options=self._options),
            preview=self._options.preview,
        )

    @cached_property
    def _model(self) -> ShotGenerator:
        from onestory_cli.media.video import require_encoder

        require_encoder()
        return self._load()

    def _encode(self, pixels_HWC: np.ndarray) -> np.ndarray:
        return self._model.encode_reference(pixels_HWC)
