"""A shot for an external model: values and pictures, and the protocol of what runs it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from onestory_cli.checkpoint import NO_CHECKPOINT, Checkpoint, Partial
from onestory_cli.models.workflow import REFERENCES
from onestory_cli.planning.jobs import ShotJob

if TYPE_CHECKING:
    import numpy as np

MAX_SHOT_SECONDS = 12 * 3600
MAX_PREVIEW_SIDE = 2048
OnStep = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class ExternalJob:
    """A shot: its `values` by the names that titles bind, and `pictures` as PNG by the same kind of names."""

    shot: str
    values: Mapping[str, Any]
    pictures: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunControl:
    """How a run is watched: `checkpoint` stops it and remembers its prompt, the functions get its progress.

    `on_step(step, steps)` gets the steps of the shot, `on_node(name, step, steps)` the node that runs and the steps of
    that node, and `on_preview` an encoded picture.
    """

    checkpoint: Checkpoint = NO_CHECKPOINT
    on_step: OnStep = lambda step, steps: None
    on_node: Callable[[str, int, int], None] = lambda name, step, steps: None
    on_preview: Callable[[bytes], None] = lambda picture: None
    steps: int = 1

    def pause(self, state: Partial) -> None:
        """Save `state` if that is due; called several times a second while the model works.

        Raises:
            KeyboardInterrupt: the render is to stop.
        """
        if self.checkpoint.due():
            self.checkpoint.keep(state)


class Runner(Protocol):
    """Runs shots on an external model."""

    def run(self, job: ExternalJob, folder: Path, control: RunControl) -> list[Path]:
        """Generate a shot and return the files of its result, which are in `folder`: one video, or one per frame.

        Raises:
            OnestoryError: M552, M553 or M554 if the model cannot be reached, cannot run it, or fails.
            KeyboardInterrupt: it was asked to stop; the model has stopped too.
        """

    def environment(self) -> Mapping[str, Any]:
        """What is known of the model's program, for the record."""


def external_job(
    job: ShotJob, *, image: np.ndarray | None, pictures: Sequence[np.ndarray], remembers: str
) -> ExternalJob:
    """The values and pictures of a shot: its own first frame `image` and the remembered `pictures`, (H, W, 3) uint8.

    A model that remembers by `first-frame` starts from the first remembered picture if the shot has no image.
    """
    if remembers == "first-frame":
        image, pictures = image if image is not None else next(iter(pictures), None), ()
    given = {} if image is None else {"first_frame": image}
    named = {**given, **dict(zip(REFERENCES, pictures, strict=False))}
    return ExternalJob(
        shot=job.shot,
        values={
            "caption": job.caption,
            "negative": job.negative,
            "seed": job.seed,
            "frames": job.frames,
            "width": job.width,
            "height": job.height,
            "fps": job.fps,
            "steps": job.steps,
            "guidance": job.guidance,
        },
        pictures=dict(zip(named, encode_pngs(list(named.values())), strict=True)),
    )


def encode_pngs(pictures: Sequence[np.ndarray]) -> list[bytes]:
    """Pictures as PNG, on all cores."""
    if len(pictures) < 2:
        return [*map(encode_png, pictures)]
    with ThreadPoolExecutor(len(pictures)) as threads:
        return [*threads.map(encode_png, pictures)]


def encode_png(pixels_HWC: np.ndarray) -> bytes:
    """A picture as PNG. Equal pixels give equal bytes with equal versions of Pillow."""
    import numpy as np
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels_HWC)).save(file, format="PNG", compress_level=1)
    return file.getvalue()


def decode_picture(data: bytes) -> np.ndarray | None:
    """A small picture as (H, W, 3) uint8; None if it is too large or cannot be read."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as picture:
            if max(picture.size) > MAX_PREVIEW_SIDE:
                return None
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def encode_white(width: int, height: int) -> bytes:
    """A white picture as PNG, for a workflow that cannot run without references."""
    import numpy as np

    return encode_png(np.full((height, width, 3), 255, np.uint8))


def picture_name(png: bytes) -> str:
    """The file name of a picture: its digest, so that a picture is uploaded once."""
    return f"{hashlib.sha256(png).hexdigest()[:32]}.png"
