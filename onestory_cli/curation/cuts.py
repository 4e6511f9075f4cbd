"""One video -> its shots with exact times, transitions, clean ranges and measures. One pass over the frames.

Shape letters: P frames, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onestory_cli.curation.detectors import Boundary, make_detector
from onestory_cli.curation.frames import VideoFacts, read_facts, small_frames
from onestory_cli.curation.recipe import CutSettings
from onestory_cli.media.clip_faults import GREY_SIDE, measure
from onestory_cli.quality import BLACK, FLASH, FROZEN

Pixels = NDArray[np.uint8]
MEASURED = 12 * 60  # frames of a shot that are measured, from its beginning; longer shots are trimmed or rejected


@dataclass(frozen=True, kw_only=True)
class FoundShot:
    """A shot. `start` and `end` in units of the time base, the end excluded; `clean_start` and `clean_end` without the
    transitions and the margin. `begins` is the transition before it. `measures`: check name -> number, 0 to 1."""

    start: int
    end: int
    clean_start: int
    clean_end: int
    begins: str
    measures: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class FoundShots:
    """What the stage `cuts` stores for a video; `fault` says why there are no shots."""

    facts: VideoFacts | None
    shots: tuple[FoundShot, ...]
    fault: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> FoundShots:
        facts = tree["facts"]
        return cls(
            facts=VideoFacts(**{**facts, "crop": tuple(facts["crop"])}) if facts else None,
            shots=tuple(FoundShot(**shot) for shot in tree["shots"]),
            fault=tree["fault"],
        )

    def seconds(self, pts: int) -> float:
        """Return the time of a frame in seconds from the beginning of the video."""
        assert self.facts is not None
        return float((pts - self.facts.start) * Fraction(self.facts.time_base))

    def pts(self, seconds: float) -> int:
        """Return the time of `seconds` from the beginning in units of the time base."""
        assert self.facts is not None
        return self.facts.start + round(Fraction(seconds) / Fraction(self.facts.time_base))


def find_shots(path: Path, settings: CutSettings, *, max_hours: float) -> FoundShots:
    """Find the shots of a video.

    Raises:
        OnestoryError: M508 for a file that is not a readable video, T653 for a detector that is not installed.
    """
    facts = read_facts(path)
    if facts.seconds > max_hours * 3600:
        return FoundShots(facts=facts, shots=(), fault=f"longer than {max_hours:g} hours")
    detector = make_detector(settings, facts.fps)
    times: list[int] = []
    greys: list[NDArray[np.uint8]] = []
    for number, frame in enumerate(small_frames(path, facts, detector.side)):
        detector.push(number, frame.pixels_HWC)
        times.append(frame.pts)
        greys.append(_grey(frame.pixels_HWC))
    if len(times) < 2:
        return FoundShots(facts=facts, shots=(), fault="fewer than two frames")
    shots = _shots(detector.finish(), times, greys, settings.margin)
    return FoundShots(facts=facts, shots=shots)


def _shots(
    boundaries: Sequence[Boundary], times: list[int], greys: list[NDArray[np.uint8]], margin: int
) -> tuple[FoundShot, ...]:
    """The parts between the boundaries. A shot ends where the transition that follows it begins its last frame."""
    step = max(1, round(np.median(np.diff(times))))
    ends = [*times, times[-1] + step]
    edges = [
        Boundary(first=0, last=0, kind="start"),
        *boundaries,
        Boundary(first=len(times), last=len(times), kind="end"),
    ]
    found = []
    for before, after in pairwise(edges):
        first, last = before.last, after.first  # frames that belong to this shot alone
        if last <= first:
            continue
        inner = margin if before.kind != "start" else 0
        outer = margin if after.kind != "end" else 0
        clean = (first + inner, last - outer) if last - first > inner + outer else (first, last)
        found.append(
            FoundShot(
                start=ends[_middle(before)],
                end=ends[_middle(after)],
                clean_start=ends[clean[0]],
                clean_end=ends[clean[1]],
                begins=before.kind,
                measures=measures_of(greys[clean[0] : min(clean[1], clean[0] + MEASURED)]),
            )
        )
    return tuple(found)


def _middle(boundary: Boundary) -> int:
    """The frame at which one shot gives way to the next: the middle of a transition."""
    return (boundary.first + boundary.last + 1) // 2 if boundary.last > boundary.first else boundary.first


def measures_of(greys: Sequence[NDArray[np.uint8]]) -> dict[str, float]:
    """Return the measures of a shot by name: those of a take's checks, and the mean change between frames."""
    small_PHWC = np.repeat(np.stack(greys)[..., None], 3, axis=-1)
    numbers = measure(small_PHWC)
    steps = np.abs(np.diff(small_PHWC[..., 0].astype(np.int16), axis=0)).mean() / 255 if len(greys) > 1 else 0.0
    return {**{name: round(numbers[name], 5) for name in (BLACK, FROZEN, FLASH)}, "motion": round(float(steps), 5)}


def _grey(pixels_HWC: Pixels) -> NDArray[np.uint8]:
    height, width = pixels_HWC.shape[:2]
    scale = min(1.0, GREY_SIDE / min(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(pixels_HWC).convert("L").resize(size, Image.Resampling.BOX))
