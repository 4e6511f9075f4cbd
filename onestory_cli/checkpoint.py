"""Checkpoints of a shot that is being generated.

`generate` creates partials and resumes from them, `store` writes them, `rendering` connects the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Partial:
    """The state of a shot after `step` of `steps`.

    `identity` is a digest of everything that the remaining steps depend on: a partial with another identity is useless.
    `arrays` has what the next step reads; its keys are defined by the generator.
    """

    identity: str
    step: int
    steps: int
    arrays: Mapping[str, np.ndarray]


class Checkpoint(Protocol):
    """Saves and loads the partial of one shot."""

    @property
    def enabled(self) -> bool:
        """Whether it stores anything; if not, the caller need not compute an identity."""

    def load(self, identity: str) -> Partial | None:
        """The partial that an earlier process saved of the same work."""

    def due(self, *, last: bool = False) -> bool:
        """Whether to save a partial now; asked after each step. `last` marks the last step, before decoding."""

    def keep(self, partial: Partial) -> None:
        """Save a partial in place of the previous one.

        Raises:
            KeyboardInterrupt: it is saved, and the work is to stop.
        """


class NoCheckpoint:
    """A Checkpoint that saves nothing."""

    enabled = False

    def load(self, identity: str) -> None:
        return None

    def due(self, *, last: bool = False) -> bool:
        return False

    def keep(self, partial: Partial) -> None:
        raise AssertionError("it is never due")


NO_CHECKPOINT = NoCheckpoint()
