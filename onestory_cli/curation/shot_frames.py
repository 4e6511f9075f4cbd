"""Frames of a shot for networks: upright, without bars, spread over its clean range.

Shape letters: P frames, H W pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onestory_cli.curation.frames import VideoFacts
from onestory_cli.media.video import open_video, upright

Pixels = NDArray[np.uint8]


def shot_frames(path: Path, facts: VideoFacts, start: int, end: int, count: int) -> list[Pixels]:
    """Return `count` frames of the range `start` to `end` (units of the time base, end excluded), evenly spread.

    A shot with fewer frames gives what it has.

    Raises:
        OnestoryError: M508 for a file that cannot be decoded there.
    """
    wanted = [start + (end - start) * (2 * index + 1) // (2 * count) for index in range(count)]
    found: list[Pixels] = []
    with open_video(path) as container:
        stream = container.streams.video[0]
        container.seek(start, stream=stream)
        shown = None
        for frame in container.decode(stream):
            if frame.pts is None or frame.pts < start:
                continue
            while shown is not None and wanted and frame.pts > wanted[0]:
                found.append(_crop(upright(shown), facts))
                wanted.pop(0)
            if frame.pts >= end or not wanted:
                break
            shown = frame
        if shown is not None and not found:
            found.append(_crop(upright(shown), facts))
        elif shown is not None:
            found += [_crop(upright(shown), facts)] * len(wanted)
    return found


def _crop(pixels_HWC: Pixels, facts: VideoFacts) -> Pixels:
    left, top, right, bottom = facts.crop
    return pixels_HWC[top : pixels_HWC.shape[0] - bottom, left : pixels_HWC.shape[1] - right]
