"""The protocols between the render loop and a model, so that the loop needs no torch.

Shape letters: C latent channels, T latent frames, P pixel frames, H W.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from onestory_cli.checkpoint import NO_CHECKPOINT, Checkpoint
from onestory_cli.events import Emit, Preview, ignore
from onestory_cli.memory.policies import SelectedFrame
from onestory_cli.planning.jobs import ShotJob
from onestory_cli.store.keys import cropped_sources, shown_fields
from onestory_cli.store.record import MemoryState

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class ShotRequest:
    """A shot to generate: its job, the latents that it can see (source -> (C, T, H, W), in film order), its image.

    `emit` receives an event per step, and `preview` a picture every few steps. Work that `checkpoint` has is resumed;
    the checkpoint may stop the generation by a KeyboardInterrupt. An external model also copies what its program
    delivered into the folder `originals`, and calls `before_decoding` when its result is there.
    """

    job: ShotJob
    memory: Mapping[str, np.ndarray] = field(default_factory=dict)
    image: np.ndarray | None = None
    emit: Emit = ignore
    checkpoint: Checkpoint = NO_CHECKPOINT
    preview: Preview | None = None
    originals: Path | None = None
    before_decoding: Callable[[], object] = lambda: None


class MemorySelection(Protocol):
    """The frames that a shot selects, in order of relevance, and the score of every visible frame by source."""

    @property
    def selection(self) -> Sequence[SelectedFrame]: ...
    @property
    def scores(self) -> Mapping[str, Sequence[float]]: ...
    @property
    def context_tokens(self) -> int: ...


class GeneratedShot(MemorySelection, Protocol):
    """A generated shot and its memory selection."""

    def decode(self) -> np.ndarray:
        """The pixels (P, H, W, 3), decoded by the first call; a background thread may make it."""

    @property
    def latents_CTHW(self) -> np.ndarray: ...
    @property
    def noise_tokens(self) -> int: ...
    @property
    def seconds(self) -> Mapping[str, float]:
        """The time of each finished phase; decoding is one of them after `decode`."""


@dataclass(frozen=True, kw_only=True)
class DecodedShot:
    """A shot whose pixels are there at once: an imported clip."""

    pixels_PHWC: np.ndarray
    latents_CTHW: np.ndarray
    noise_tokens: int
    selection: Sequence[SelectedFrame] = ()
    scores: Mapping[str, Sequence[float]] = field(default_factory=dict)
    context_tokens: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)

    def decode(self) -> np.ndarray:
        return self.pixels_PHWC


class ShotGenerator(Protocol):
    """A loaded model: the one heavy part of a render."""

    def encode_reference(self, pixels_HWC: np.ndarray) -> np.ndarray:
        """The latents (C, 1, H, W) of a reference image."""

    def encode_clip(self, pixels_PHWC: np.ndarray) -> np.ndarray:
        """The latents (C, T, H, W) of a clip that the model did not generate."""

    def generate(self, request: ShotRequest) -> GeneratedShot:
        """Generate a shot."""

    def recall(self, job: ShotJob, memory: Mapping[str, np.ndarray]) -> MemorySelection:
        """What `generate` would select from `memory`, at a small part of its cost."""

    def environment(self) -> Mapping[str, Any]:
        """Device, data type, threads and versions, for the record."""


def memory_state(
    job: ShotJob, selection: MemorySelection, visible: Mapping[str, str], *, noise_tokens: int
) -> MemoryState:
    """The memory state of a shot: its selection with the digests of the sources that it saw."""
    return MemoryState(
        visible=visible,
        scores={source: tuple(scores) for source, scores in selection.scores.items()},
        selected=tuple(replace(frame, digest=visible[frame.source]) for frame in selection.selection),
        context_tokens=selection.context_tokens,
        noise_tokens=noise_tokens,
        shown=shown_fields(job),
        cropped=cropped_sources(job),
    )
