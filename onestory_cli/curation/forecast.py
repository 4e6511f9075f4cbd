"""Estimates for a curation: disk space before it starts, and time left while it runs. No torch here."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from onestory_cli.curation.frames import stated_seconds
from onestory_cli.curation.recipe import CurateRecipe
from onestory_cli.curation.report_page import MAX_SHOWN
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.media.video import open_video
from onestory_cli.utils.text import file_size

SAMPLED = 16  # videos whose length is read, evenly spread
SHOT_SECONDS = 4.0  # mean length of a shot in contemporary films (Cutting, Brunick and DeLong 2011: 3 to 5 s)
# bytes of a shot in the stages and the manifest, measured on the films of tests/benchmarks/curation_line.py
SHOT_BYTES = 800
VECTOR_BYTES = 2900  # of each encoder, and two for the cast
CAPTION_BYTES = 400
PICTURE_BYTES = 3000


@dataclass(frozen=True, kw_only=True)
class DiskEstimate:
    """Bytes that a set will take, and how many are free where it is written. `seconds`: of all videos together."""

    videos: int
    seconds: float
    needed: int
    free: int

    def require_space(self, out: Path) -> None:
        """Raise T656 if the set will not fit."""
        if self.needed > self.free:
            message = f'"{out}" needs about {file_size(self.needed)}, and {file_size(self.free)} are free'
            help = "free disk space, or name a folder on another disk with --out"
            raise OnestoryError("T656", message, help=help, exit=ExitCode.MACHINE)


def estimate_disk(videos: Sequence[Path], out: Path, recipe: CurateRecipe) -> DiskEstimate:
    """Estimate what the set of these videos takes, from the length of a few of them."""
    sampled = [videos[index * len(videos) // SAMPLED] for index in range(SAMPLED)] if len(videos) > SAMPLED else videos
    lengths = [seconds if seconds <= recipe.max_hours * 3600 else 0.0 for seconds in map(_seconds, sampled)]
    seconds = sum(lengths) / len(sampled) * len(videos)
    shots = max(len(videos), seconds / SHOT_SECONDS)
    vectors = len(recipe.encoders) + (2 if recipe.cast.is_on else 0)
    captions = 2 if recipe.captions.captioner else 0
    each = SHOT_BYTES + vectors * VECTOR_BYTES + captions * CAPTION_BYTES
    pictures = shots * min(1.0, MAX_SHOWN / len(videos)) * PICTURE_BYTES
    existing = next(place for place in (out, *out.absolute().parents) if place.exists())
    needed = round(shots * each + 2 * pictures)
    return DiskEstimate(videos=len(videos), seconds=seconds, needed=needed, free=shutil.disk_usage(existing).free)


def _seconds(video: Path) -> float:
    """The length that the file states; 0 for one that cannot be read, which becomes a row of the report."""
    try:
        with open_video(video) as container:
            return max(0.0, stated_seconds(container))
    except (OnestoryError, OSError, ValueError):
        return 0.0


@dataclass
class Remaining:
    """Seconds left, from the bytes of the videos that were computed so far."""

    sizes: Sequence[int]
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)
    _computed: int = field(init=False, default=0)
    _left: int = field(init=False)

    def __post_init__(self) -> None:
        self._began, self._left = self.clock(), sum(self.sizes)

    def done(self, number: int, *, computed: bool) -> float:
        """Count video `number` (from 0) as done; return the seconds left, 0 while nothing is computed."""
        self._left -= self.sizes[number]
        if computed:
            self._computed += self.sizes[number]
        if not self._computed:
            self._began = self.clock()  # results that are stored say nothing about the speed
            return 0.0
        return (self.clock() - self._began) * self._left / self._computed
