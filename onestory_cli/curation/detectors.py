"""Shot boundaries by libraries: PySceneDetect's detectors, or the network of TransNetV2. One protocol for both.

Frames arrive one by one; boundaries come out as frame numbers. Nothing here keeps more than a window of frames.
Shape letters: P frames, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onestory_cli.curation.colour_cuts import ColourCuts
from onestory_cli.curation.errors import missing_library
from onestory_cli.curation.recipe import CutSettings

Pixels = NDArray[np.uint8]
ADAPTIVE_SIDE = 256  # pixels of the longer side; PySceneDetect itself scales to about this size
# of 255: least change of the picture at a cut. PySceneDetect's 15 misses cuts between views of one place. In the
# storyworld films that this was tuned on, cuts change it by 14 or more. Other changes by 8 to 15 are movement, which
# the ratio to the neighbours excludes (python -m tests.benchmarks.curation transitions)
MIN_CONTENT = 10.0
FADE_LUMA = 12  # of 255: mean below it is black, the default of PySceneDetect's ThresholdDetector
RAMP_STEP = 0.6  # of the light of a ramp: more in one frame is a cut
TRANSNET_SIZE = (48, 27)  # pixels, width and height: what TransNetV2 was trained on
ADAPTIVE_THRESHOLD = 3.0  # ratio of a frame's change to that of its neighbours; PySceneDetect's default
TRANSNET_THRESHOLD = 0.5
# a dissolve that the network only suspects is confirmed by its pictures; tuned on half of the storyworld films of
# python -m tests.benchmarks.curation transitions
SUSPECTED = 0.05  # of the network's score
SUSPECTED_GAP = 5  # frames in a dissolve at which the network does not even suspect one
SHORTEST_BLEND = 4  # frames
BLEND_CHANGE = 4.0  # of 255: mean difference of the two ends
BLEND_REST = 0.35  # of the change: mean difference of a frame from the nearest blend
_WINDOW, _STEP, _EDGE = 100, 50, 25  # frames: TransNetV2 reads 100 and answers for the middle 50


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """A transition: `first` is its first frame, `last` the first frame of the next shot; for a cut they are equal."""

    first: int
    last: int
    kind: str


class CutDetector(Protocol):
    """Finds the boundaries of one video."""

    side: int

    def push(self, number: int, pixels_HWC: Pixels) -> None:
        """Take the next frame, counted from 0."""

    def finish(self, greys: Sequence[Pixels]) -> list[Boundary]:
        """Return all boundaries, in order. `greys` has a small grey picture (H, W) of each frame."""


class HardCuts:
    """Hard cuts by PySceneDetect's AdaptiveDetector, and by colours where motion hides a cut from it."""

    def __init__(self, threshold: float, shortest: int, fps: float) -> None:
        scenedetect = _scenedetect()
        self._timecode: Callable[[int], Any] = lambda number: scenedetect.FrameTimecode(number, fps)
        self._detector = scenedetect.AdaptiveDetector(
            adaptive_threshold=threshold, min_scene_len=shortest, min_content_val=MIN_CONTENT
        )
        self._colours = ColourCuts()
        self._found: list[int] = []
        self._count, self._shortest = 0, shortest

    def push(self, pixels_HWC: Pixels) -> None:
        """Take the next frame."""
        self._colours.push(pixels_HWC)
        bgr = np.ascontiguousarray(pixels_HWC[..., ::-1])
        self._take(self._detector.process_frame(self._timecode(self._count), bgr))
        self._count += 1

    def finish(self) -> list[Boundary]:
        """Return all cuts, in order."""
        if self._count:
            self._take(self._detector.post_process(self._timecode(self._count - 1)))
        return merged(_hard(self._colours.finish()), _hard({*self._found} - {0}), apart=self._shortest)

    def _take(self, cuts: Any) -> None:
        self._found += [cut.frame_num for cut in cuts]


def _hard(cuts: Iterable[int]) -> list[Boundary]:
    return [Boundary(first=cut, last=cut, kind="cut") for cut in sorted(cuts)]


class AdaptiveDetector:
    """Hard cuts by PySceneDetect, and mean luma for fades through black."""

    side = ADAPTIVE_SIDE

    def __init__(self, settings: CutSettings, fps: float) -> None:
        shortest = max(1, round(settings.min_seconds * fps))
        self._cuts = HardCuts(ADAPTIVE_THRESHOLD if settings.threshold is None else settings.threshold, shortest, fps)
        self._lumas: list[float] = []

    def push(self, number: int, pixels_HWC: Pixels) -> None:
        self._cuts.push(pixels_HWC)
        self._lumas.append(float(pixels_HWC.mean()))

    def finish(self, greys: Sequence[Pixels]) -> list[Boundary]:
        return merged(self._cuts.finish(), fades_of(np.array(self._lumas)))


def fades_of(lumas_P: NDArray[np.floating]) -> list[Boundary]:
    """Return the fades through black: runs of black frames with the ramps that lead into and out of them."""
    black = np.flatnonzero(lumas_P < FADE_LUMA)
    if not len(black):
        return []
    runs = np.split(black, np.flatnonzero(np.diff(black) > 1) + 1)
    found = []
    for run in runs:
        first, last = int(run[0]), int(run[-1])
        start, end = _ramp(lumas_P, first, -1), _ramp(lumas_P, last, +1)
        ramps = first - start > 1 or end - last > 1
        if first > 0 and last < len(lumas_P) - 1 and ramps:
            found.append(Boundary(first=start + 1, last=end, kind="fade"))
    return found


def _ramp(lumas_P: NDArray[np.floating], place: int, step: int) -> int:
    """Walk from a black frame outwards while the picture grows brighter; return the first frame that does not.

    Where one step makes most of the light there is a cut and no ramp.
    """
    begin, largest = place, 0.0
    while 0 <= place + step < len(lumas_P) and lumas_P[place + step] > lumas_P[place] + 0.5:
        largest = max(largest, float(lumas_P[place + step] - lumas_P[place]))
        place += step
    return begin + step if largest > RAMP_STEP * (lumas_P[place] - lumas_P[begin]) else place


class TransNetDetector:
    """TransNetV2 (Soucek and Lokoc, arXiv 2008.04838): dissolves and fades, in windows of 100 frames.

    Hard cuts are found by PySceneDetect too: in flat pictures the network is unsure of every fifth one.
    """

    side = ADAPTIVE_SIDE

    def __init__(self, settings: CutSettings, fps: float) -> None:
        self._network = _transnet()
        self._threshold = TRANSNET_THRESHOLD if settings.threshold is None else settings.threshold
        self._shortest = max(1, round(settings.min_seconds * fps))
        self._cuts = HardCuts(ADAPTIVE_THRESHOLD, self._shortest, fps)
        self._window: list[Pixels] = []
        self._single: list[float] = []
        self._many: list[float] = []
        self._lumas: list[float] = []
        self._count = 0

    def push(self, number: int, pixels_HWC: Pixels) -> None:
        self._cuts.push(pixels_HWC)
        small = _resize(pixels_HWC, TRANSNET_SIZE)
        self._lumas.append(float(small.mean()))
        self._window += [small] * (_EDGE + 1 if not self._count else 1)
        self._count += 1
        if len(self._window) == _WINDOW:
            self._predict()

    def finish(self, greys: Sequence[Pixels]) -> list[Boundary]:
        while self._count and len(self._single) < self._count:
            self._window += [self._window[-1]] * (_WINDOW - len(self._window))
            self._predict()
        single, many = np.array(self._single[: self._count]), np.array(self._many[: self._count])
        lumas = np.array(self._lumas)
        sure = boundaries_of(single, many, lumas, self._threshold, self._shortest)
        gradual = [item for item in sure if item.kind != "cut"]
        cuts = [item for item in sure if item.kind == "cut"]
        found = merged(blends_of(many, greys), gradual)
        for better in (self._cuts.finish(), found, fades_of(lumas)):
            cuts = merged(cuts, better, apart=self._shortest)
        return cuts

    def _predict(self) -> None:
        import torch

        frames = torch.from_numpy(np.stack(self._window))[None]
        with torch.inference_mode():
            single, many = self._network(frames)
        middle = slice(_EDGE, _EDGE + _STEP)
        self._single += torch.sigmoid(single)[0, middle, 0].tolist()
        self._many += torch.sigmoid(many["many_hot"])[0, middle, 0].tolist()
        self._window = self._window[_STEP:]


def boundaries_of(
    single_P: NDArray[np.floating],
    many_P: NDArray[np.floating],
    lumas_P: NDArray[np.floating],
    threshold: float,
    shortest: int,
) -> list[Boundary]:
    """Return the boundaries in TransNetV2's scores: `single_P` peaks once in a transition, `many_P` covers it."""
    peaks = np.flatnonzero((single_P > threshold) | (many_P > threshold))
    runs = np.split(peaks, np.flatnonzero(np.diff(peaks) > 1) + 1) if len(peaks) else []
    found: list[Boundary] = []
    for run in runs:
        # a score at frame n says that the transition lies between n and n + 1
        first, last = int(run[0]) + 1, int(run[-1]) + 1
        if last >= len(single_P) or single_P[run].max() <= threshold or (found and first - found[-1].last < shortest):
            continue
        if last - first <= 1:
            cut = int(run[single_P[run].argmax()]) + 1
            found.append(Boundary(first=cut, last=cut, kind="cut"))
        else:
            dark = lumas_P[first:last].min() < FADE_LUMA
            found.append(Boundary(first=first, last=last, kind="fade" if dark else "dissolve"))
    return found


def blends_of(many_P: NDArray[np.floating], greys: Sequence[Pixels]) -> list[Boundary]:
    """Return the dissolves among the frames that the network suspects: those that are a blend of their two ends."""
    suspected = np.flatnonzero(many_P > SUSPECTED)
    runs = np.split(suspected, np.flatnonzero(np.diff(suspected) > SUSPECTED_GAP) + 1) if len(suspected) else []
    ranges = [(int(run[0]) + 1, int(run[-1]) + 1) for run in runs]
    return [
        Boundary(first=first, last=last, kind="dissolve")
        for first, last in ranges
        if last - first >= SHORTEST_BLEND and last < len(greys) and is_blend(greys[first - 1 : last + 1])
    ]


def is_blend(greys: Sequence[Pixels]) -> bool:
    """Whether pictures (H, W) go from the first to the last one by blending them, with little movement of their own."""
    start, *between, end = (grey.astype(np.float64) for grey in greys)
    change = end - start
    size = np.abs(change).mean()
    if size < BLEND_CHANGE:
        return False
    moves = [grey - start for grey in between]
    rest = [np.abs(move - (move * change).sum() / (change**2).sum() * change).mean() for move in moves]
    return bool(np.mean(rest) <= BLEND_REST * size)


def merged(found: Sequence[Boundary], better: Sequence[Boundary], *, apart: int = 1) -> list[Boundary]:
    """Return the boundaries of both, in order, without those of `found` nearer than `apart` to one that is better."""
    rest = [
        item
        for item in found
        if not any(item.first < other.last + apart and other.first < item.last + apart for other in better)
    ]
    return sorted([*rest, *better], key=lambda item: item.first)


def make_detector(settings: CutSettings, fps: float) -> CutDetector:
    """Return a new detector for one video.

    Raises:
        OnestoryError: T653 when its library is not installed.
    """
    return (TransNetDetector if settings.detector == "transnetv2" else AdaptiveDetector)(settings, fps)


def _resize(pixels_HWC: Pixels, size: tuple[int, int]) -> Pixels:
    import cv2

    return np.asarray(cv2.resize(pixels_HWC, size, interpolation=cv2.INTER_AREA), np.uint8)


def _scenedetect() -> Any:
    try:
        import scenedetect
    except ImportError as fault:
        raise missing_library("scenedetect-headless", "pip install 'onestory[curate]'") from fault
    return scenedetect


def _transnet() -> Any:
    from onestory_cli.curation.transnet import load_transnet

    return load_transnet()
