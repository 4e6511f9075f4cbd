"""The checkpoint of a take: its partial in the run directory, saved periodically and when the render is to stop."""

from __future__ import annotations

import time

from onestory_cli.checkpoint import Partial
from onestory_cli.events import Emit, PartialKept
from onestory_cli.rendering.options import RenderOptions
from onestory_cli.store.writer import RunWriter

SECONDS_BEFORE_DECODING = 10.0  # decoding may take as long as the steps, so a shorter interval applies before it


class TakeCheckpoint:
    """Saves the unfinished work on one take, and stops it once `options.stop()` is true."""

    enabled = True

    def __init__(self, writer: RunWriter, shot: str, key: str, *, emit: Emit, options: RenderOptions) -> None:
        self._writer, self._shot, self._key = writer, shot, key
        self._emit, self._options = emit, options
        self._saved = time.monotonic()

    def load(self, identity: str) -> Partial | None:
        """The partial that an earlier process saved of the same work."""
        partial = self._writer.run.partial(self._shot, self._key)
        return partial if partial and partial.identity == identity else None

    def due(self, *, last: bool = False) -> bool:
        """Whether to save a partial now. After the last step the interval is shorter."""
        seconds = self._options.checkpoint_seconds
        interval = min(seconds, SECONDS_BEFORE_DECODING) if last else seconds
        return self._options.stop() or time.monotonic() - self._saved >= interval

    def keep(self, partial: Partial) -> None:
        """Save a partial in place of the previous one.

        Raises:
            KeyboardInterrupt: it is saved, and the render is to stop.
        """
        self._writer.save_partial(self._shot, self._key, partial)
        self._saved = time.monotonic()
        self._emit(PartialKept(shot=self._shot, step=partial.step, steps=partial.steps))
        if self._options.stop():
            raise KeyboardInterrupt
