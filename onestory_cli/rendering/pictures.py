"""Read the images of a story as pixels: first frames and reference images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.planning.jobs import ImageInput, ShotJob
from onestory_cli.store.disk import os_errors_coded
from onestory_cli.store.run import Run
from onestory_cli.story.assets import open_upright

if TYPE_CHECKING:
    import numpy as np


WHITE = (255, 255, 255)


def first_frame(job: ShotJob, image: ImageInput, run: Run) -> np.ndarray:
    """The run's copy of a first frame, (H, W, 3) uint8: scaled to cover the shot's size, then cropped evenly."""
    return read_cropped(run.input(image), width=job.width, height=job.height)


def reference_image(job: ShotJob, image: ImageInput, run: Run) -> np.ndarray:
    """The run's copy of a reference image, (H, W, 3) uint8: whole, in the middle of white.

    A crop would cut off the head of a portrait in a wide shot. Wan's VACE fits references the same way: Wan2.1
    wan/vace.py, prepare_source.
    """
    return read_whole(run.input(image), width=job.width, height=job.height)


def read_cropped(path: Path, *, width: int, height: int) -> np.ndarray:
    """An image as (H, W, 3) uint8: scaled to cover this size, then cropped evenly."""
    import numpy as np
    from PIL import Image, ImageOps

    with os_errors_coded(path):
        return np.asarray(ImageOps.fit(open_upright(path), (width, height), Image.Resampling.LANCZOS))


def read_whole(path: Path, *, width: int, height: int) -> np.ndarray:
    """An image as (H, W, 3) uint8: scaled to fit into this size, in the middle of white."""
    import numpy as np
    from PIL import Image, ImageOps

    with os_errors_coded(path):
        picture = ImageOps.pad(open_upright(path), (width, height), Image.Resampling.LANCZOS, color=WHITE)
    return np.asarray(picture)
