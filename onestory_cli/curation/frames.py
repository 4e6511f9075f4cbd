"""Video file -> small frames with exact times, in one pass: upright, deinterlaced, without letterbox bars. No torch.

Shape letters: P frames, H W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from onestory_cli.errors import OnestoryError
from onestory_cli.media.video import open_video, upright

Pixels = NDArray[np.uint8]
SAMPLES = 24  # frames over the whole video from which bars are measured
SAMPLE_SIDE = 640  # pixels of the longer side of a frame in which text is looked for
BAR_LEVEL = 24  # of 255: what is darker in all samples belongs to a bar; FFmpeg's cropdetect has the same default
BAR_SHARE = 0.02  # of the side: thinner bars are noise of the encoder


@dataclass(frozen=True, kw_only=True)
class VideoFacts:
    """What a video file holds. `rotation` in degrees clockwise; `crop` (left, top, right, bottom) in pixels of the
    upright picture, all 0 without bars; `start` is the time of the first frame in the file's own time base."""

    width: int
    height: int
    fps: float
    seconds: float
    time_base: str
    start: int
    rotation: int
    interlaced: bool
    crop: tuple[int, int, int, int]
    audio_tracks: int


@dataclass(frozen=True)
class SmallFrame:
    """A frame at `small_size`, (H, W, 3) uint8, and its time in units of the stream's time base.

    `sample_HW` is a larger grey picture, of `SAMPLE_SIDE` pixels, that some frames have.
    """

    pts: int
    pixels_HWC: Pixels
    sample_HW: Pixels | None = None


def read_facts(path: Path) -> VideoFacts:
    """Return what a video holds, with bars measured on sampled frames.

    Raises:
        OnestoryError: M508 for a file that is not a readable video.
    """
    with open_video(path) as container:
        stream = container.streams.video[0]
        unit = stream.time_base or Fraction(1, 1000)
        seconds = stated_seconds(container)
        samples, interlaced, rotation = _samples(container, stream, seconds)
        if not samples:
            raise OnestoryError("M508", f'"{path}" cannot be read as video: it has no frames', help="check the file")
        height, width = samples[0].shape[:2]
        return VideoFacts(
            width=width,
            height=height,
            fps=float(stream.average_rate or stream.guessed_rate or 24),
            seconds=seconds,
            time_base=f"{unit.numerator}/{unit.denominator}",
            start=stream.start_time or 0,
            rotation=rotation,
            interlaced=interlaced,
            crop=bars_of(samples),
            audio_tracks=len(container.streams.audio),
        )


def stated_seconds(container: av.container.InputContainer) -> float:
    """The length of the video that its file states; 0 if it states none."""
    stream = container.streams.video[0]
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return float(container.duration or 0) / av.time_base


def _samples(
    container: av.container.InputContainer, stream: av.VideoStream, seconds: float
) -> tuple[list[Pixels], bool, int]:
    """Upright frames spread over the video, whether any is interlaced, and the rotation in degrees clockwise."""
    found: list[Pixels] = []
    interlaced, rotation = False, 0
    unit = stream.time_base or Fraction(1, 1000)
    for index in range(SAMPLES):
        if index and seconds:
            container.seek(int((stream.start_time or 0) + seconds * index / SAMPLES / unit), stream=stream)
        frame = next(container.decode(stream), None)
        if frame is None:
            break
        interlaced |= bool(frame.interlaced_frame)
        rotation = -round(frame.rotation) % 360
        found.append(upright(frame))
        if not seconds:
            break
    return found, interlaced, rotation


def bars_of(frames: list[Pixels]) -> tuple[int, int, int, int]:
    """Return the widths of dark bars (left, top, right, bottom) in pixels that all frames share; even numbers."""
    brightest_HW = np.max([frame.max(axis=2) for frame in frames], axis=0)
    rows, columns = brightest_HW.max(axis=1) > BAR_LEVEL, brightest_HW.max(axis=0) > BAR_LEVEL
    if not rows.any():
        return 0, 0, 0, 0
    height, width = brightest_HW.shape
    left, right = int(columns.argmax()), int(columns[::-1].argmax())
    top, bottom = int(rows.argmax()), int(rows[::-1].argmax())
    return (
        _bar(left, width),
        _bar(top, height),
        _bar(right, width),
        _bar(bottom, height),
    )


def _bar(size: int, side: int) -> int:
    return size + size % 2 if size >= BAR_SHARE * side else 0


def small_size(facts: VideoFacts, side: int) -> tuple[int, int]:
    """Return (width, height) of the picture without bars, scaled so that its longer side has at most `side` pixels."""
    left, top, right, bottom = facts.crop
    width, height = facts.width - left - right, facts.height - top - bottom
    scale = min(1.0, side / max(width, height))
    return max(2, round(width * scale)), max(2, round(height * scale))


def small_frames(path: Path, facts: VideoFacts, side: int, *, sample_every: int = 0) -> Iterator[SmallFrame]:
    """Yield every frame in order of time, scaled by the decoder; times that do not rise are skipped.

    One frame in `sample_every` has a larger grey picture too; 0 for none.

    A file that breaks off yields what can be decoded before the fault.

    Raises:
        OnestoryError: M508 when not a single frame can be decoded, U608 for an error of the disk.
    """
    last: int | None = None
    count = 0
    try:
        with open_video(path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            frames = container.decode(stream)
            for frame in _deinterlaced(frames) if facts.interlaced else frames:
                if frame.pts is None or (last is not None and frame.pts <= last):
                    continue
                last = frame.pts
                sampled = sample_every and count % sample_every == sample_every // 2
                sample = _shrink(frame, facts, SAMPLE_SIDE, "gray") if sampled else None
                yield SmallFrame(frame.pts, _shrink(frame, facts, side), sample)
                count += 1
    except OnestoryError as fault:
        if last is None or fault.code != "M508":
            raise


def _shrink(frame: av.VideoFrame, facts: VideoFacts, side: int, format: str = "rgb24") -> Pixels:
    """The decoder scales the whole frame, turned as it is stored; then it is set upright and bars are cut off."""
    turned = facts.rotation in (90, 270)
    width, height = (facts.height, facts.width) if turned else (facts.width, facts.height)
    scale = min(1.0, side / max(width, height))
    size = max(2, round(width * scale)), max(2, round(height * scale))
    small = frame.reformat(*size, format=format, threads=1).to_ndarray()
    pixels: Pixels = np.ascontiguousarray(np.rot90(small, -(facts.rotation // 90)))
    if not any(facts.crop):
        return pixels
    left, top, right, bottom = (round(value * scale) for value in facts.crop)
    return pixels[top : pixels.shape[0] - bottom, left : pixels.shape[1] - right]


def _deinterlaced(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """FFmpeg's yadif: one picture for each frame, at its time."""
    first = next(frames, None)
    if first is None:
        return
    graph = av.filter.Graph()
    source = graph.add_buffer(width=first.width, height=first.height, format=first.format, time_base=first.time_base)
    filter = graph.add("yadif", "mode=send_frame")
    source.link_to(filter)
    filter.link_to(graph.add("buffersink"))
    graph.configure()
    for frame in chain([first], frames, [None]):  # it is one frame late; None flushes it
        graph.push(frame)
        with suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                picture = graph.pull()
                assert isinstance(picture, av.VideoFrame)
                if picture.pts is not None and picture.time_base and first.time_base:  # yadif halves the time base
                    picture.pts = round(picture.pts * picture.time_base / first.time_base)
                yield picture
