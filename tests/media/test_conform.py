"""Clips are sampled by time, scaled or rejected. The red value of each test frame is ten times its number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.media.conform import ClipTarget, ConformRules, conform
from onestory_cli.media.video import write_clip

TARGET = ClipTarget(frames=5, width=32, height=32, fps=8)


@pytest.fixture
def write(tmp_path: Path):
    def write(frames: int, *, fps: int, width: int = 32, height: int = 32) -> Path:
        pixels = np.zeros((frames, height, width, 3), np.uint8)
        pixels[..., 0] = np.arange(frames)[:, None, None] * 10
        write_clip(tmp_path / "clip.mp4", pixels, fps=fps, crf=0)
        return tmp_path / "clip.mp4"

    return write


def numbers(pixels_PHWC: np.ndarray) -> list[int]:
    """The number of the source frame that each frame shows, read from its center."""
    _, height, width, _ = pixels_PHWC.shape
    return [round(int(frame[height // 2, width // 2, 0]) / 10) for frame in pixels_PHWC]


def test_a_clip_that_fits_is_unchanged(write) -> None:
    found = conform(write(5, fps=8), TARGET, ConformRules())
    assert (numbers(found.pixels_PHWC), found.changes) == ([0, 1, 2, 3, 4], ())


@pytest.mark.parametrize(
    ("frames", "fps", "shown"),
    [(10, 16, [0, 2, 4, 6, 8]), (3, 4, [0, 0, 1, 1, 2]), (19, 30, [0, 3, 7, 11, 15])],
)
def test_frames_are_picked_by_time(write, frames: int, fps: int, shown: list[int]) -> None:
    found = conform(write(frames, fps=fps), TARGET, ConformRules())
    assert (numbers(found.pixels_PHWC), found.changes) == (shown, (f"{fps} to 8 fps",))


def test_a_longer_clip_is_trimmed_on_request(write) -> None:
    clip = write(16, fps=8)
    with pytest.raises(OnestoryError, match="too long") as caught:
        conform(clip, TARGET, ConformRules())
    assert caught.value.code == "M541"
    found = conform(clip, TARGET, ConformRules(trim=True, start=0.5))
    assert (numbers(found.pixels_PHWC), found.changes) == ([4, 5, 6, 7, 8], ("from 0.5s on", "end left out"))


def test_one_missing_frame_is_held_and_more_are_refused(write) -> None:
    assert numbers(conform(write(4, fps=8), TARGET, ConformRules()).pixels_PHWC) == [0, 1, 2, 3, 3]
    with pytest.raises(OnestoryError, match="too short"):
        conform(write(3, fps=8), TARGET, ConformRules())
    with pytest.raises(OnestoryError, match=r"0s from 9s on"):
        conform(write(8, fps=8), TARGET, ConformRules(start=9.0, trim=True))


def test_a_shot_of_one_frame_needs_one(write) -> None:
    one = ClipTarget(frames=1, width=32, height=32, fps=8)
    assert numbers(conform(write(5, fps=8), one, ConformRules(start=0.25, trim=True)).pixels_PHWC) == [2]
    with pytest.raises(OnestoryError, match="too short"):
        conform(write(5, fps=8), one, ConformRules(start=9.0, trim=True))


def test_another_aspect_ratio_needs_a_rule(write) -> None:
    clip = write(5, fps=8, width=64)
    with pytest.raises(OnestoryError, match="aspect ratios differ") as caught:
        conform(clip, TARGET, ConformRules())
    assert caught.value.code == "M542"
    contained = conform(clip, TARGET, ConformRules(fit="contain"))
    assert contained.changes == ("64x32 to 32x32, with bars",)
    assert contained.pixels_PHWC[4, :8].max() == 0  # a bar
    assert contained.pixels_PHWC[4, 16].min(axis=0)[0] > 30
    covered = conform(clip, TARGET, ConformRules(fit="cover"))
    assert covered.changes == ("64x32 to 32x32, cropped",)
    assert covered.pixels_PHWC[4, :, :, 0].min() > 30


def test_the_same_aspect_ratio_is_scaled(write) -> None:
    found = conform(write(5, fps=8, width=64, height=64), TARGET, ConformRules())
    assert (found.pixels_PHWC.shape, found.changes) == ((5, 32, 32, 3), ("64x64 to 32x32",))


def test_a_file_that_is_not_a_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("not a video")
    with pytest.raises(OnestoryError) as caught:
        conform(tmp_path / "notes.mp4", TARGET, ConformRules())
    assert (caught.value.code, caught.value.help) == ("M508", "convert it to H.264 in MP4")
