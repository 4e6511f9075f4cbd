"""The memory bank: latents of finished shots, by shot id (OneStory Eq. 2).

Shape letters: F bank frames, C latent channels, T latent frames of one source, H W latent cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from onestory_cli.memory.policies import FrameRef


class MemoryBank:
    """Clean latents (C, T, H, W) of each source, in film order. An empty memory is a bank of zero frames."""

    def __init__(self, *, channels: int, height: int, width: int) -> None:
        self._cell = (channels, height, width)
        self._latents: dict[str, Tensor] = {}

    def add(self, source: str, latents_CTHW: Tensor) -> None:
        """Add a source; a source that the bank already holds is replaced and keeps its position.

        Raises:
            ValueError: the channel count or the size differs from the bank's.
        """
        channels, _, height, width = latents_CTHW.shape
        if (channels, height, width) != self._cell:
            raise ValueError(f"{source}: latents {tuple(latents_CTHW.shape)} do not fit a bank of {self._cell}")
        self._latents[source] = latents_CTHW.detach().float().cpu()

    def latents(self, source: str) -> Tensor:
        """The latents (C, T, H, W) of one source.

        Raises:
            KeyError: the bank does not hold this source.
        """
        return self._latents[source]

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of all sources, in film order."""
        return tuple(self._latents)

    @property
    def items(self) -> tuple[tuple[Tensor, int], ...]:
        """(latents (C, T, H, W), age) of each source, in film order; the age as in `ages_F`."""
        return tuple(zip(self._latents.values(), range(len(self._latents), 0, -1), strict=True))

    @property
    def frames_FCHW(self) -> Tensor:
        """All frames in film order; (0, C, H, W) for an empty bank."""
        parts = [latents.transpose(0, 1) for latents in self._latents.values()]
        return torch.cat(parts) if parts else torch.zeros(0, *self._cell)

    def frames_at(self, positions: Sequence[int]) -> Tensor:
        """The frames (K, C, H, W) at some positions of `refs`; only these are copied."""
        refs = self.refs
        frames = [self._latents[refs[place].source][:, refs[place].index] for place in positions]
        return torch.stack(frames) if frames else torch.zeros(0, *self._cell)

    @property
    def refs(self) -> tuple[FrameRef, ...]:
        """Source and index of each of the F frames."""
        return tuple(FrameRef(name, index) for name, item in self._latents.items() for index in range(item.shape[1]))

    @property
    def ages_F(self) -> Tensor:
        """Distance of each frame's source from the new shot, in sources; 1 is the latest. int64 (F,)."""
        counts = [item.shape[1] for item in self._latents.values()]
        ages = [age for age, count in zip(range(len(counts), 0, -1), counts, strict=True) for _ in range(count)]
        return torch.tensor(ages, dtype=torch.long)

    @property
    def times_F(self) -> Tensor:
        """Index of each frame within its own source; int64 (F,)."""
        return torch.tensor([ref.index for ref in self.refs], dtype=torch.long)
