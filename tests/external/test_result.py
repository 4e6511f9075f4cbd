"""Results of external models: the length, size and rate of a shot, as pictures or as a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onestory_cli.errors import OnestoryError
from onestory_cli.external.result import plain_suffix, read_result, to_pixels
from onestory_cli.media.video import write_clip
from onestory_cli.planning.jobs import ShotJob
from tests.films import plan_of, shot


@pytest.fixture
def job() -> ShotJob:
    return plan_of(shot("city")).jobs[0]


def pictures(folder: Path, job: ShotJob, *, count: int = 0, size: tuple[int, int] = (0, 0)) -> list[Path]:
    folder.mkdir(exist_ok=True)
    files = [folder / f"{number}.png" for number in range(count or job.frames)]
    for number, file in enumerate(files):
        Image.new("RGB", size if any(size) else (job.width, job.height), (number, 0, 0)).save(file)
    return files


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.PNG", ".png"),
        ("../../etc/a.mp4", ".mp4"),
        ("a.p\0ng", ".bin"),
        ("a.png/../..", ".bin"),
        ("a." + 9 * "x", ".bin"),
    ],
)
def test_a_name_of_the_server_gives_only_a_plain_suffix(name: str, suffix: str) -> None:
    assert plain_suffix(name) == suffix


def test_pictures_are_the_frames_in_order(tmp_path: Path, job: ShotJob) -> None:
    pixels_PHWC = np.stack([to_pixels(frame) for frame in read_result(pictures(tmp_path, job), job, "model")])
    assert pixels_PHWC.shape == (job.frames, job.height, job.width, 3)
    assert pixels_PHWC[:, 0, 0, 0].tolist() == [*range(job.frames)]


def test_other_sizes_and_lengths_are_refused(tmp_path: Path, job: ShotJob) -> None:
    wide = (job.width * 2, job.height)
    pixels = np.zeros((job.frames, job.height, job.width * 2, 3), np.uint8)
    write_clip(tmp_path / "wide.mp4", pixels, fps=job.fps)
    write_clip(tmp_path / "fast.mp4", pixels[:, :, : job.width], fps=job.fps * 2)
    size = rf"{wide[0]}x{wide[1]} pixels instead of {job.width}x{job.height}"
    for files, why in (
        (pictures(tmp_path / "wide", job, size=wide), size),
        ([tmp_path / "wide.mp4"], size),
        ([tmp_path / "fast.mp4"], "frames per second instead of"),
        (pictures(tmp_path / "long", job, count=job.frames + 1), f"more than {job.frames} frames"),
        (pictures(tmp_path / "short", job, count=job.frames - 1), f"{job.frames - 1} frames instead of"),
        ([tmp_path / "no.mp4", tmp_path / "no.txt"], "2 files that are not pictures"),
        ([tmp_path / "no.mp4"], "cannot be read"),
    ):
        with pytest.raises(OnestoryError, match=why) as caught:
            read_result(files, job, "model")
        assert caught.value.code == "M555"
