"""The two types of a latent frame of memory: a reference to one, and one that was selected. No torch here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FrameRef:
    """A latent frame of the bank: its source (a shot id, or "@id" for a reference image) and its index there."""

    source: str
    index: int


@dataclass(frozen=True, kw_only=True)
class SelectedFrame:
    """A frame that a shot remembers: latent frame `index` of the source whose latents have `digest`, and its cost.

    Digest, index and level determine what the transformer reads. Source and score are informative. `digest` is ""
    until the render adds it: the selection itself compares no digests.
    """

    source: str
    digest: str
    index: int
    score: float
    level: str
    tokens: int

    def __str__(self) -> str:
        return f"{self.source}[{self.index}]"
