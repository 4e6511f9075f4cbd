"""Conform a video to the length, size and rate of a shot, by stated rules.

Frames are picked by time: frame k of the result is the one that the video shows at `start + k / fps`. A video that is
too short, and one of another length or aspect ratio without a rule for it, is refused. Only one frame may be missing at
the end: the last one is then shown twice.

Shape letters: P pixel frames, H W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.media.video import open_video, upright

Fit = Literal["contain", "cover"]
Pixels = NDArray[np.uint8]

MAX_SCALING_ERROR = 1.0  # pixels: a video of the same aspect ratio, rounded to whole pixels
MAX_DECODED = 100_000  # frames up to the last one that is needed: about an hour at 25 fps
_BLACK = (0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class ClipTarget:
    """The clip that a shot needs: `frames` frames of `width` x `height` pixels at `fps` frames per second."""

    frames: int
    width: int
    height: int
    fps: int

    @property
    def seconds(self) -> Fraction:
        return Fraction(self.frames, self.fps)


@dataclass(frozen=True, kw_only=True)
class ConformRules:
    """How a video may be changed. `start` is in seconds.

    `trim` allows to leave out what follows the shot's length. `fit` allows another aspect ratio: "contain" adds black
    bars, "cover" crops evenly.
    """

    start: float = 0.0
    trim: bool = False
    fit: Fit | None = None


@dataclass(frozen=True, kw_only=True)
class ConformedClip:
    """The frames (P, H, W, 3) of a conformed video, and what was changed, in words."""

    pixels_PHWC: Pixels
    changes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SampledVideo:
    """Rate, length and first frame's width and height of a video, and its frames at the times and size of a target."""

    fps: Fraction
    seconds: Fraction
    size: tuple[int, int]
    rows: list[Pixels]


def conform(path: Path, target: ClipTarget, rules: ConformRules) -> ConformedClip:
    """The frames of a video at the length, size and rate of a shot.

    Raises:
        OnestoryError: M508 for an unreadable video, M541 for a wrong length, M542 for another aspect ratio.
    """
    try:
        video = _sample(path, target, rules)
    except OnestoryError as fault:
        if fault.code == "M508":
            fault.help = "convert it to H.264 in MP4"
        raise
    _require_length(path, target, rules, video)
    _require_aspect(path, target, rules, video)
    return ConformedClip(pixels_PHWC=np.stack(video.rows), changes=tuple(_changes(target, rules, video)))


def _sample(path: Path, target: ClipTarget, rules: ConformRules) -> SampledVideo:
    """Decode a video as far as needed. Each frame is scaled at once, because a clip in 4K may not fit into memory."""
    rows: list[Pixels] = []
    size, end = (0, 0), Fraction(0)
    with open_video(path) as container:
        stream = container.streams.video[0]
        fps = Fraction(stream.average_rate or stream.guessed_rate or target.fps)
        for begin, end, frame in _timed(container, stream, fps):
            while len(rows) < target.frames and (time := _time(len(rows), target, rules)) < end:
                pixels_HWC = upright(frame)
                size = size if rows else (pixels_HWC.shape[1], pixels_HWC.shape[0])
                rows.append(rows[-1] if rows and time < begin else _resized(pixels_HWC, target, rules.fit))
            if len(rows) == target.frames and end > _end(target, rules) + 1 / fps:
                break  # the rest needs no decoding
    if 0 < len(rows) == target.frames - 1:  # a shot of 2 s at 16 fps has 33 frames, one more than a clip of 2 s
        rows.append(rows[-1])
    return SampledVideo(fps=fps, seconds=end, size=size, rows=rows)


def _timed(
    container: av.container.InputContainer, stream: av.VideoStream, fps: Fraction
) -> Iterator[tuple[Fraction, Fraction, av.VideoFrame]]:
    """Each frame with the time when it appears and when it disappears, in seconds from the first frame."""
    first: Fraction | None = None
    for number, frame in enumerate(container.decode(stream)):
        if number >= MAX_DECODED:
            return
        time = Fraction(number) / fps
        if frame.pts is not None and frame.time_base:
            time = frame.pts * frame.time_base
        first = time if first is None else first
        length = frame.duration * frame.time_base if frame.duration and frame.time_base else 1 / fps
        yield time - first, time - first + length, frame


def _time(index: int, target: ClipTarget, rules: ConformRules) -> Fraction:
    """The time in the video of a frame of the target; half a millisecond later, since containers round times."""
    return Fraction(rules.start) + Fraction(index, target.fps) + Fraction(1, 2000)


def _end(target: ClipTarget, rules: ConformRules) -> Fraction:
    return Fraction(rules.start) + target.seconds


def _require_length(path: Path, target: ClipTarget, rules: ConformRules, video: SampledVideo) -> None:
    start = f" from {rules.start:g}s on" if rules.start else ""
    needed = f"the shot needs {target.frames} frames at {target.fps} fps ({float(target.seconds):.4g}s)"
    if len(video.rows) < target.frames:
        left = max(0.0, float(video.seconds) - rules.start)
        raise OnestoryError(
            "M541",
            f'"{path}" is too short: it has {left:.4g}s{start}, and {needed}',
            help="use a longer clip, or shorten the shot with `frames:`",
            exit=ExitCode.FINDINGS,
        )
    surplus = video.seconds - _end(target, rules)
    if not rules.trim and surplus > 1 / max(video.fps, Fraction(target.fps)) * Fraction(3, 2):
        raise OnestoryError(
            "M541",
            f'"{path}" is too long: it has more than {float(_end(target, rules)):.4g}s, and {needed}',
            help="pass --trim to leave out the rest, with --start TIME to choose where the shot begins",
            exit=ExitCode.FINDINGS,
        )


def _require_aspect(path: Path, target: ClipTarget, rules: ConformRules, video: SampledVideo) -> None:
    width, height = video.size
    if rules.fit is None and not _same_aspect(width, height, target):
        raise OnestoryError(
            "M542",
            f'"{path}" has {width}x{height} pixels, and the shot has {target.width}x{target.height}: '
            "the aspect ratios differ",
            help="pass --fit cover to crop it evenly, or --fit contain to add black bars",
            exit=ExitCode.FINDINGS,
        )


def _same_aspect(width: int, height: int, target: ClipTarget) -> bool:
    return abs(width * target.height / height - target.width) <= MAX_SCALING_ERROR


def _resized(pixels_HWC: Pixels, target: ClipTarget, fit: Fit | None) -> Pixels:
    size = (target.width, target.height)
    if pixels_HWC.shape[1::-1] == size:
        return pixels_HWC
    picture = Image.fromarray(pixels_HWC)
    if fit == "contain":
        return np.asarray(ImageOps.pad(picture, size, Image.Resampling.LANCZOS, color=_BLACK))
    if fit == "cover":
        return np.asarray(ImageOps.fit(picture, size, Image.Resampling.LANCZOS))
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


def _changes(target: ClipTarget, rules: ConformRules, video: SampledVideo) -> Iterator[str]:
    """What was changed, in words: "30 to 16 fps", "1920x1080 to 832x480, cropped", "from 1.5s on"."""
    if video.fps != target.fps:
        yield f"{float(video.fps):.4g} to {target.fps} fps"
    width, height = video.size
    if video.size != (target.width, target.height):
        how = {"contain": ", with bars", "cover": ", cropped"}.get(rules.fit or "", "")
        same = _same_aspect(width, height, target)
        yield f"{width}x{height} to {target.width}x{target.height}{'' if same else how}"
    if rules.start:
        yield f"from {rules.start:g}s on"
    if rules.trim and video.seconds > _end(target, rules):
        yield "end left out"
