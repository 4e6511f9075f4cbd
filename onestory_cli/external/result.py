"""Read the result of an external model and check it against its shot: a video, or one picture per frame.

Shape letters: P pixel frames, H W pixels.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.store.disk import os_errors_coded
from onestory_cli.store.layout import ORIGINAL

if TYPE_CHECKING:
    import av
    import numpy as np

    from onestory_cli.planning.jobs import ShotJob

Frame: TypeAlias = "np.ndarray | av.VideoFrame"
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
_RATE_TOLERANCE = 0.01  # 23.976 is 24


def read_result(files: list[Path], job: ShotJob, model: str) -> list[Frame]:
    """The decoded frames of a result. Those of a video are not converted to RGB yet: see `to_pixels`.

    Raises:
        OnestoryError: M555 if its length, size or rate is not that of the shot, or if it cannot be read.
    """
    frames = list(islice(_frames(files, job, model), job.frames + 1))
    if len(frames) > job.frames:
        raise _wrong(model, job, f"it has more than {job.frames} frames")
    if len(frames) < job.frames:
        raise _wrong(model, job, f"it has {len(frames)} frames instead of {job.frames}")
    return frames


def to_pixels(frame: Frame) -> np.ndarray:
    """A frame of a result as (H, W, 3) uint8."""
    import numpy as np

    from onestory_cli.media.video import upright

    return frame if isinstance(frame, np.ndarray) else upright(frame)


def keep_result(files: Sequence[Path], folder: Path) -> None:
    """Copy a result into a folder, byte for byte: one file as `original.mp4`, several in `original.zip`.

    Raises:
        OnestoryError: R4xx for an error of the disk.
    """
    with os_errors_coded(folder):
        if len(files) == 1:
            shutil.copyfile(files[0], folder / f"{ORIGINAL}{plain_suffix(files[0].name)}")
            return
        with zipfile.ZipFile(folder / f"{ORIGINAL}.zip", "w", zipfile.ZIP_STORED) as archive:
            for file in files:
                entry = zipfile.ZipInfo(file.name)  # without the time, so that equal files give equal bytes
                with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target)


def plain_suffix(name: str) -> str:
    """The suffix of a file name that a server chose, if it is short and that of a plain file type; ".bin" otherwise."""
    suffix = Path(name).suffix.lower()
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 8 else ".bin"


def _frames(files: list[Path], job: ShotJob, model: str) -> Iterator[Frame]:
    if files and all(file.suffix in PICTURE_SUFFIXES for file in files):
        yield from _pictures(files, job, model)
    elif len(files) == 1:
        yield from _video(files[0], job, model)
    else:
        raise _wrong(model, job, f"it consists of {len(files)} files that are not pictures")


def _video(file: Path, job: ShotJob, model: str) -> Iterator[av.VideoFrame]:
    from onestory_cli.media.video import open_video, upright_size

    try:
        with open_video(file) as container:
            stream = container.streams.video[0]
            rate = float(stream.average_rate or stream.guessed_rate or job.fps)
            if abs(rate - job.fps) > _RATE_TOLERANCE * job.fps:
                raise _wrong(model, job, f"it has {rate:.4g} frames per second instead of {job.fps}")
            stream.thread_type = "AUTO"  # all cores: the next shot waits for this
            for frame in container.decode(stream):
                _require_size(upright_size(frame), job, model)
                yield frame
    except OnestoryError as fault:
        if fault.code == "M555":
            raise
        raise _wrong(model, job, shorten(str(fault), 200)) from fault


def _pictures(files: list[Path], job: ShotJob, model: str) -> Iterator[np.ndarray]:
    """The frames of picture files; one file may be an animation."""
    import numpy as np
    from PIL import Image, ImageSequence

    for file in files:
        try:
            with Image.open(file, formats=("PNG", "JPEG", "WEBP", "GIF")) as picture:
                _require_size(picture.size, job, model)  # before it is decoded
                for frame in ImageSequence.Iterator(picture):
                    yield np.asarray(frame.convert("RGB"))
        except (OSError, ValueError, Image.DecompressionBombError) as fault:
            raise _wrong(model, job, f"a picture cannot be read: {shorten(fault, 200)}") from fault


def _require_size(size: tuple[int, int], job: ShotJob, model: str) -> None:
    if size != (job.width, job.height):
        width, height = size
        raise _wrong(model, job, f"it has {width}x{height} pixels instead of {job.width}x{job.height}")


def _wrong(model: str, job: ShotJob, why: str) -> OnestoryError:
    return OnestoryError(
        "M555",
        f'"{model}" gave a wrong result for shot "{job.shot}": {why}',
        help="correct the workflow or the card: the result must have the length, size and rate of the shot",
        exit=ExitCode.PARTIAL,
    )
