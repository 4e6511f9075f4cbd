"""A shot that was cut off while it was made: what is kept of the work, and who keeps it.

`generate` makes partials and goes on with them, `store` writes them, `render` brings the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Partial:
    """The work on a shot after `step` of `steps`.

    `identity` is a digest of all that the rest of the work depends on: a partial of another identity is of no use.
    `arrays` is everything that the next step reads, in the maker's own words.
    """

    identity: str
    step: int
    steps: int
    arrays: Mapping[str, np.ndarray]


class Checkpoint(Protocol):
    """Keeps partials of one shot."""

    @property
    def enabled(self) -> bool:
        """Whether it stores anything; if not, the caller need not compute an identity."""

    def load(self, identity: str) -> Partial | None:
        """What an earlier process left of this very work."""

    def due(self, *, last: bool = False) -> bool:
        """Asked after each step: whether it is time to keep a partial; after the `last` one the work is to be decoded
        yet, maybe beside the next shot."""

    def keep(self, partial: Partial) -> None:
        """Keep a partial in place of the one before.

        Raises:
            KeyboardInterrupt: it is kept, and the work is to stop here.
        """


class NoCheckpoint:
    """A Checkpoint that keeps nothing."""

    enabled = False

    def load(self, identity: str) -> None:
        return None

    def due(self, *, last: bool = False) -> bool:
        return False

    def keep(self, partial: Partial) -> None:
        raise AssertionError("it is never due")


NO_CHECKPOINT = NoCheckpoint()
