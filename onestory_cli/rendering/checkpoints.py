"""When the work on a shot is kept: every so many seconds, and when the film is asked to stop."""

from __future__ import annotations

import time
from collections.abc import Callable

from onestory_cli.checkpoint import Partial
from onestory_cli.events import Emit, PartialKept
from onestory_cli.store.run import Run

CHECKPOINT_SECONDS = 30.0
BEFORE_DECODING = 10.0  # seconds of work that decoding, which may take as long again, does not put at risk


def never_stop() -> bool:
    """Nobody asks to stop."""
    return False


class TakeCheckpoint:
    """Keeps the work on one take in its run, at most every `seconds`, and ends it once `stop()` is true."""

    enabled = True

    def __init__(
        self,
        run: Run,
        shot: str,
        key: str,
        *,
        emit: Emit,
        stop: Callable[[], bool] = never_stop,
        seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        self._run, self._shot, self._key = run, shot, key
        self._emit, self._stop, self._seconds = emit, stop, seconds
        self._kept = time.monotonic()

    def load(self, identity: str) -> Partial | None:
        """What an earlier process left of this very work."""
        partial = self._run.partial(self._shot, self._key)
        return partial if partial and partial.identity == identity else None

    def due(self, *, last: bool = False) -> bool:
        """Whether it is time to keep a partial; sooner where no step is left."""
        wait = min(self._seconds, BEFORE_DECODING) if last else self._seconds
        return self._stop() or time.monotonic() - self._kept >= wait

    def keep(self, partial: Partial) -> None:
        """Write the partial in place of the one before.

        Raises:
            KeyboardInterrupt: it is written, and the film is asked to stop.
        """
        self._run.save_partial(self._shot, self._key, partial)
        self._kept = time.monotonic()
        self._emit(PartialKept(shot=self._shot, step=partial.step, steps=partial.steps))
        if self._stop():
            raise KeyboardInterrupt
