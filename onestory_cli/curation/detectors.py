"""Shot boundaries by libraries: PySceneDetect's detectors, or the network of TransNetV2. One protocol for both.

Frames arrive one by one; boundaries come out as frame numbers. Nothing here keeps more than a window of frames.
Shape letters: P frames, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onestory_cli.curation.errors import missing_library
from onestory_cli.curation.recipe import CutSettings

Pixels = NDArray[np.uint8]
ADAPTIVE_SIDE = 256  # pixels of the longer side; PySceneDetect itself scales to about this size
FADE_LUMA = 12  # of 255: mean below it is black, the default of PySceneDetect's ThresholdDetector
TRANSNET_SIZE = (48, 27)  # pixels, width and height: what TransNetV2 was trained on
TRANSNET_THRESHOLD = 0.5
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

    def finish(self) -> list[Boundary]:
        """Return all boundaries, in order."""


class AdaptiveDetector:
    """PySceneDetect: AdaptiveDetector for hard cuts, and mean luma for fades through black."""

    side = ADAPTIVE_SIDE

    def __init__(self, settings: CutSettings, fps: float) -> None:
        scenedetect = _scenedetect()
        shortest = max(1, round(settings.min_seconds * fps))
        self._timecode: Callable[[int], Any] = lambda number: scenedetect.FrameTimecode(number, fps)
        self._cuts = scenedetect.AdaptiveDetector(
            adaptive_threshold=3.0 if settings.threshold is None else settings.threshold, min_scene_len=shortest
        )
        self._found: list[int] = []
        self._lumas: list[float] = []

    def push(self, number: int, pixels_HWC: Pixels) -> None:
        bgr = np.ascontiguousarray(pixels_HWC[..., ::-1])
        self._found += [cut.frame_num for cut in self._cuts.process_frame(self._timecode(number), bgr)]
        self._lumas.append(float(pixels_HWC.mean()))

    def finish(self) -> list[Boundary]:
        if self._lumas:
            self._found += [cut.frame_num for cut in self._cuts.post_process(self._timecode(len(self._lumas) - 1))]
        fades = fades_of(np.array(self._lumas))
        inside = {number for fade in fades for number in range(fade.first, fade.last + 1)}
        cuts = [Boundary(first=cut, last=cut, kind="cut") for cut in sorted({*self._found} - inside - {0})]
        return sorted([*fades, *cuts], key=lambda item: item.first)


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
    """Walk from a black frame outwards while the picture grows brighter; return the first frame that does not."""
    while 0 <= place + step < len(lumas_P) and lumas_P[place + step] > lumas_P[place] + 0.5:
        place += step
    return place


class TransNetDetector:
    """TransNetV2 (Soucek and Lokoc, arXiv 2008.04838): cuts, dissolves and fades, in windows of 100 frames."""

    side = TRANSNET_SIZE[0]

    def __init__(self, settings: CutSettings, fps: float) -> None:
        self._network = _transnet()
        self._threshold = TRANSNET_THRESHOLD if settings.threshold is None else settings.threshold
        self._shortest = max(1, round(settings.min_seconds * fps))
        self._window: list[Pixels] = []
        self._single: list[float] = []
        self._many: list[float] = []
        self._lumas: list[float] = []
        self._count = 0

    def push(self, number: int, pixels_HWC: Pixels) -> None:
        small = _resize(pixels_HWC, TRANSNET_SIZE)
        self._lumas.append(float(small.mean()))
        self._window += [small] * (_EDGE + 1 if not self._count else 1)
        self._count += 1
        if len(self._window) == _WINDOW:
            self._predict()

    def finish(self) -> list[Boundary]:
        while self._count and len(self._single) < self._count:
            self._window += [self._window[-1]] * (_WINDOW - len(self._window))
            self._predict()
        single, many = np.array(self._single[: self._count]), np.array(self._many[: self._count])
        found = boundaries_of(single, many, np.array(self._lumas), self._threshold, self._shortest)
        return with_fades(found, fades_of(np.array(self._lumas)))

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


def with_fades(found: list[Boundary], fades: list[Boundary]) -> list[Boundary]:
    """Return the boundaries with fades, which luma measures exactly, in place of those that overlap them."""
    rest = [item for item in found if not any(item.first <= fade.last and fade.first <= item.last for fade in fades)]
    return sorted([*rest, *fades], key=lambda item: item.first)


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
