"""Which patchifier each remembered frame gets: a table of levels that fits a budget (OneStory Eq. 7).

A level is a Conv3d kernel of the Adaptive Conditioner. Finer levels keep more of a frame and cost more tokens.
Pure arithmetic on numbers of tokens, so that `onestory plan` can print prices without torch.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Level:
    """One patchifier: its kernel is (1, patch, patch) in latent cells; a patch of 0 takes no tokens of its own."""

    name: str
    patch: int

    def tokens(self, height: int, width: int) -> int:
        """Tokens of one latent frame of `height` x `width` latent cells; the last patch of a row may be padded."""
        return -(-height // self.patch) * -(-width // self.patch) if self.patch else 0


FINE = Level(name="fine", patch=2)
MEDIUM = Level(name="medium", patch=4)
COARSE = Level(name="coarse", patch=8)
LEVELS = (FINE, MEDIUM, COARSE)
# How a base without an adapter takes a frame: as one more latent frame, or in place of its own first one.
REFERENCE = Level(name="reference", patch=2)
FIRST_FRAME = Level(name="first-frame", patch=0)


def allocate(frames: int, budget: float, *, height: int, width: int, levels: tuple[Level, ...] = LEVELS) -> list[Level]:
    """Levels for frames 1..K, the most relevant first, that together cost at most `budget` latent frames of tokens.

    Every frame keeps at least the coarsest level; then, in order of relevance, each takes the finest level that still
    fits. K = 8 at budget 4 is 3 fine, 3 medium, 2 coarse; K = 6 at budget 1 is 3 medium, 3 coarse. Frames that cannot
    have even the coarsest level are left out from the end, so the result may be shorter than `frames`.

    >>> [level.name for level in allocate(4, 1.0, height=8, width=8)]
    ['medium', 'medium', 'medium', 'medium']
    """
    room = int(budget * levels[0].tokens(height, width) + 1e-9)
    coarse = levels[-1].tokens(height, width)
    frames = min(frames, room // coarse) if coarse else frames
    room -= frames * coarse
    table = []
    for _ in range(frames):
        level = next(item for item in levels if item.tokens(height, width) - coarse <= room)
        room -= level.tokens(height, width) - coarse
        table.append(level)
    return table
