"""What the loop asks of a model, and what it is told of a shot: protocols, so that this half needs no torch.

Shape letters: C latent channels, T latent frames, P pixel frames, H W.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from onestory_cli.checkpoint import Checkpoint
from onestory_cli.events import Emit
from onestory_cli.memory.frames import SelectedFrame
from onestory_cli.planning.jobs import ShotJob
from onestory_cli.store.keys import shown_fields
from onestory_cli.store.record import MemoryState

if TYPE_CHECKING:
    import numpy as np


class MemorySelection(Protocol):
    """What a shot remembers: the selection in order of relevance, and the score of every visible frame by source."""

    @property
    def selection(self) -> Sequence[SelectedFrame]: ...
    @property
    def scores(self) -> Mapping[str, Sequence[float]]: ...
    @property
    def context_tokens(self) -> int: ...


class GeneratedShot(MemorySelection, Protocol):
    """A generated shot, and what it remembered."""

    def decode(self) -> np.ndarray:
        """Pixels (P, H, W, 3), decoded by the first call; a background thread may make it."""

    @property
    def latents_CTHW(self) -> np.ndarray: ...
    @property
    def noise_tokens(self) -> int: ...
    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds of the finished phases; decoding is one of them after `decode`."""


class ShotGenerator(Protocol):
    """A loaded model: the one heavy part of a render."""

    def encode_reference(self, pixels_HWC: np.ndarray) -> np.ndarray:
        """Latents (C, 1, H, W) of a reference image."""

    def make(
        self,
        job: ShotJob,
        memory: Mapping[str, np.ndarray],
        *,
        image: np.ndarray | None,
        emit: Emit,
        checkpoint: Checkpoint,
    ) -> GeneratedShot:
        """Make a shot that can see `memory`, source -> latents in film order, and begins with `image` if it has one.

        Work that the checkpoint holds is gone on with; it may end the making by a KeyboardInterrupt.
        """

    def recall(self, job: ShotJob, memory: Mapping[str, np.ndarray]) -> MemorySelection:
        """What the shot would remember of `memory`, exactly as `make` selects, for a small part of its price."""

    def environment(self) -> Mapping[str, Any]:
        """Device, data type, threads and versions, for the record."""


def memory_state(
    job: ShotJob, recalled: MemorySelection, visible: Mapping[str, str], *, noise_tokens: int
) -> MemoryState:
    """A maker's account with the digests of what it saw."""
    return MemoryState(
        visible=visible,
        scores={source: tuple(scores) for source, scores in recalled.scores.items()},
        selected=tuple(replace(frame, digest=visible[frame.source]) for frame in recalled.selection),
        context_tokens=recalled.context_tokens,
        noise_tokens=noise_tokens,
        shown=shown_fields(job),
    )
