"""Assign a patchifier level to each remembered frame within a token budget (OneStory Eq. 7).

A level is a Conv3d kernel of the Adaptive Conditioner. Finer levels keep more detail and cost more tokens.
This module only counts tokens, so `onestory plan` can show costs without importing torch.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Level:
    """One patchifier with kernel (1, patch, patch) in latent cells. A patch of 0 adds no tokens to the sequence."""

    name: str
    patch: int

    def tokens(self, height: int, width: int) -> int:
        """Token count of one latent frame of `height` x `width` latent cells; edge patches are padded."""
        return -(-height // self.patch) * -(-width // self.patch) if self.patch else 0


FINE = Level(name="fine", patch=2)
MEDIUM = Level(name="medium", patch=4)
COARSE = Level(name="coarse", patch=8)
LEVELS = (FINE, MEDIUM, COARSE)
DETAIL = Level(name="detail", patch=3)
BROAD = Level(name="broad", patch=6)
PATCHES = {level.patch: level for level in (FINE, DETAIL, MEDIUM, BROAD, COARSE)}  # all that an adapter can have
# How a base without an adapter reads a frame: as an additional latent frame, or as the first frame of the shot.
REFERENCE = Level(name="reference", patch=2)
FIRST_FRAME = Level(name="first-frame", patch=0)
CHARACTER = "character"  # the level name of a reference of which only the characters are read, cut out on white


def allocate(frames: int, budget: float, *, height: int, width: int, levels: tuple[Level, ...] = LEVELS) -> list[Level]:
    """Levels of frames 1..K in order of relevance; together they cost at most `budget` latent frames of tokens.

    Every frame gets at least the coarsest level. Then, in order of relevance, each frame gets the finest level that
    still fits: K = 8 at budget 4 is 3 fine, 3 medium, 2 coarse; K = 6 at budget 1 is 3 medium, 3 coarse. If even the
    coarsest level does not fit for all, the least relevant frames are dropped and the result is shorter than `frames`.

    >>> [level.name for level in allocate(4, 1.0, height=8, width=8)]
    ['medium', 'medium', 'medium', 'medium']
    """
    available = int(budget * levels[0].tokens(height, width) + 1e-9)
    coarse = levels[-1].tokens(height, width)
    frames = min(frames, available // coarse) if coarse else frames
    available -= frames * coarse
    table = []
    for _ in range(frames):
        level = next(item for item in levels if item.tokens(height, width) - coarse <= available)
        available -= level.tokens(height, width) - coarse
        table.append(level)
    return table
