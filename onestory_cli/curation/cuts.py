"""One video -> its shots with exact times, transitions, clean ranges and measures. One pass over the frames.

Shape letters: P frames, H W pixels.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onestory_cli.curation.detectors import Boundary, make_detector
from onestory_cli.curation.frame_store import FrameStore
from onestory_cli.curation.frames import VideoFacts, read_facts, small_frames
from onestory_cli.curation.measures import MEASURED, Overlays, change, measures_of, small_grey
from onestory_cli.curation.recipe import CutSettings

FLASH_FRAMES = 2  # a flash is at most this long
FLASH_LEFT = 0.25  # of the change into a flash may be left after it
SAMPLES_PER_SECOND = 2  # frames in which text and logos are looked for


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
    times, changes = array("q"), array("f")
    last: NDArray[np.uint8] | None = None
    overlays = Overlays()
    every = max(1, round(facts.fps / SAMPLES_PER_SECOND))
    with FrameStore() as greys:
        for number, frame in enumerate(small_frames(path, facts, detector.side, sample_every=every)):
            detector.push(number, frame.pixels_HWC)
            times.append(frame.pts)
            changes.append(0.0 if last is None else change(last, frame.pixels_HWC))
            last = frame.pixels_HWC
            greys.append(small_grey(frame.pixels_HWC))
            if frame.sample_HW is not None:
                overlays.push(number, frame.sample_HW)
        if len(times) < 2:
            return FoundShots(facts=facts, shots=(), fault="fewer than two frames")
        cuts = without_flashes(detector.finish(greys), greys)
        shots = _shots(cuts, times, greys, changes, overlays, settings.margin)
    return FoundShots(facts=facts, shots=shots)


def _shots(
    boundaries: Sequence[Boundary],
    times: Sequence[int],
    greys: Sequence[NDArray[np.uint8]],
    changes: Sequence[float],
    overlays: Overlays,
    margin: int,
) -> tuple[FoundShot, ...]:
    """The parts between the boundaries. A shot ends where the transition that follows it begins its last frame."""
    step = max(1, round(np.median(np.diff(times))))
    ends = [*times, times[-1] + step]
    start = Boundary(first=0, last=0, kind="start")
    edges = [start, *boundaries, Boundary(first=len(times), last=len(times), kind="end")]
    pairs = [(before, after) for before, after in pairwise(edges) if after.first > before.last]
    ranges = [_clean(before, after, margin) for before, after in pairs]
    measured = [slice(first, min(last, first + MEASURED)) for first, last in ranges]
    return tuple(
        FoundShot(
            start=ends[_middle(before)],
            end=ends[_middle(after)],
            clean_start=ends[first],
            clean_end=ends[last],
            begins=before.kind,
            measures={**measures_of(greys[part], changes[part]), **more},
        )
        for (before, after), (first, last), part, more in zip(
            pairs, ranges, measured, overlays.measures(ranges), strict=True
        )
    )


def without_flashes(boundaries: Sequence[Boundary], greys: Sequence[NDArray[np.uint8]]) -> list[Boundary]:
    """Return the boundaries without cuts into or out of one or two frames after which the picture is as it was."""

    def is_flash(cut: int) -> bool:
        before, after = greys[cut - 1], greys[cut]
        left = FLASH_LEFT * _distance(before, after)
        earlier, later = greys[max(0, cut - 1 - FLASH_FRAMES) : cut - 1], greys[cut + 1 : cut + 1 + FLASH_FRAMES]
        starts = any(_distance(before, frame) < left for frame in later)
        return starts or any(_distance(after, frame) < left for frame in earlier)

    return [item for item in boundaries if item.kind != "cut" or not is_flash(item.first)]


def _distance(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


def _clean(before: Boundary, after: Boundary, margin: int) -> tuple[int, int]:
    """The frames of a shot without those at its edges where encoders blend neighbours."""
    first, last = before.last, after.first
    inner = margin if before.kind != "start" else 0
    outer = margin if after.kind != "end" else 0
    return (first + inner, last - outer) if last - first > inner + outer else (first, last)


def _middle(boundary: Boundary) -> int:
    """The frame at which one shot gives way to the next: the middle of a transition."""
    return (boundary.first + boundary.last + 1) // 2 if boundary.last > boundary.first else boundary.first
