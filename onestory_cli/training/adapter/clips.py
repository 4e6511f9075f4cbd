"""Read a part of a video file as frames at the training's frame rate and size.

Shape letters: P pixel frames, H W pixels.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from onestory_cli.errors import OnestoryError
from onestory_cli.media.video import open_video, upright

SLACK = 1e-6  # seconds: times in files are rounded


def read_window(
    path: Path,
    *,
    start: float,
    end: float,
    frames: int,
    fps: float,
    size: tuple[int, int],
    place: float = 0.5,
    crop: tuple[int, ...] = (0, 0, 0, 0),
) -> NDArray[np.uint8]:
    """(P, H, W, 3): `frames` frames at `fps` of the part from `start` to `end`, in seconds.

    `place` is where in the part they are: 0 at its start, 0.5 in its middle, 1 at its end.
    Frames are selected by time, not by number: the frame rate of a file can be any, and can vary.
    The picture is rotated as the file's metadata says, cropped by `crop` (left, top, right, bottom) pixels, scaled to
    cover `size` (width, height), and cropped to its centre.

    Raises:
        OnestoryError: T603 for a file that is not a readable video, or a part with too few frames.
    """
    wanted = frames / fps
    if end - start + SLACK < wanted:
        raise OnestoryError(
            "T603",
            f'"{path}" from {start:g} s to {end:g} s is shorter than {frames} frames at {fps:g} per second',
            help="use fewer `frames`, or `data: {short: drop}` to leave short shots out",
        )
    first = start + place * (end - start - wanted)
    try:
        found = _shown_at(path, [first + index / fps for index in range(frames)])
    except OnestoryError as fault:
        raise OnestoryError("T603", fault.message, help="name a video that plays, or remove the line") from fault
    return np.stack([_cover(_cropped(picture, crop), *size) for picture in found])


def _shown_at(path: Path, times: list[float]) -> list[Image.Image]:
    """The frames displayed at increasing times, in seconds from the start of the video."""
    found: list[Image.Image] = []
    with open_video(path) as container:
        stream = container.streams.video[0]
        unit = stream.time_base or Fraction(1, 1000)
        begin, step = float((stream.start_time or 0) * unit), 1 / float(stream.average_rate or 24)
        container.seek(int((times[0] + begin) / unit), stream=stream)
        shown: av.VideoFrame | None = None
        for frame in container.decode(stream):
            while shown and len(found) < len(times) and times[len(found)] + SLACK < frame.time - begin:
                found.append(Image.fromarray(upright(shown)))
            if len(found) == len(times):
                return found
            shown = frame
        # the last frame is displayed for its own duration
        while shown and len(found) < len(times) and times[len(found)] + SLACK < shown.time - begin + step:
            found.append(Image.fromarray(upright(shown)))
    if len(found) < len(times):
        raise OnestoryError("T603", f'"{path}" has no picture at {times[len(found)]:.3f} s: the file ends earlier')
    return found


def _cropped(picture: Image.Image, crop: tuple[int, ...]) -> Image.Image:
    left, top, right, bottom = crop
    return picture.crop((left, top, picture.width - right, picture.height - bottom)) if any(crop) else picture


def _cover(picture: Image.Image, width: int, height: int) -> NDArray[np.uint8]:
    """(H, W, 3): scaled to cover the size and cropped to its centre."""
    return np.asarray(ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS))
