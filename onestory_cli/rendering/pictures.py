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


def read_picture(path: Path, *, width: int, height: int) -> np.ndarray:
    """An image as (H, W, 3) uint8: scaled to cover this size, then cropped evenly."""
    import numpy as np
    from PIL import Image, ImageOps

    with os_errors_coded(path):
        return np.asarray(ImageOps.fit(open_upright(path), (width, height), Image.Resampling.LANCZOS))


def picture_for(job: ShotJob, image: ImageInput, run: Run) -> np.ndarray:
    """The run's copy of an image, at the size of a shot."""
    return read_picture(run.input(image), width=job.width, height=job.height)
