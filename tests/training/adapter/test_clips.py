"""Windows of videos, sampled by time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.media.video import write_clip
from onestory_cli.training.adapter.clips import read_window


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds at 12 frames per second, 48 x 32 pixels; every frame is 10 lighter than the previous one."""
    path = tmp_path_factory.mktemp("video") / "ramp.mp4"
    pixels = np.repeat(np.arange(24, dtype=np.uint8) * 10, 32 * 48 * 3).reshape(24, 32, 48, 3)
    write_clip(path, pixels, fps=12, crf=0)
    return path


def frame_numbers(pixels_PHWC: np.ndarray) -> list[int]:
    """The index (of 24) of each frame, from its brightness."""
    return [round(float(frame.mean()) / 10) for frame in pixels_PHWC]


@pytest.mark.parametrize(("place", "first"), [(0.0, 0), (0.25, 3), (0.5, 6), (1.0, 12)])
def test_a_window_can_be_anywhere_in_its_part(video: Path, place: float, first: int) -> None:
    pixels = read_window(video, start=0.0, end=2.0, frames=12, fps=12, size=(48, 32), place=place)
    assert frame_numbers(pixels) == list(range(first, first + 12))


@pytest.mark.parametrize(
    ("start", "end", "frames", "fps", "expected"),
    [
        (0.0, 2.0, 24, 12, list(range(24))),
        (0.0, 1.0, 5, 6, [1, 3, 5, 7, 9]),  # the middle of the part; a quarter of a frame is left over on each side
        (1.0, 2.0, 4, 4, [12, 15, 18, 21]),
        (0.5, 1.0, 12, 24, [6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11]),
    ],
)
def test_frames_are_those_displayed_at_their_times(
    video: Path, start: float, end: float, frames: int, fps: int, expected: list[int]
) -> None:
    pixels = read_window(video, start=start, end=end, frames=frames, fps=fps, size=(48, 32))
    assert (pixels.shape, pixels.dtype) == ((frames, 32, 48, 3), np.uint8)
    assert frame_numbers(pixels) == expected


def test_picture_covers_another_aspect_ratio(tmp_path: Path) -> None:
    pixels = np.zeros((4, 32, 64, 3), np.uint8)
    pixels[:, :, 16:48] = 200  # only the middle half is light
    write_clip(tmp_path / "wide.mp4", pixels, fps=4, crf=0)
    square = read_window(tmp_path / "wide.mp4", start=0, end=1, frames=1, fps=4, size=(16, 16))
    assert square.shape == (1, 16, 16, 3)
    assert square.min() > 150


def test_short_part_or_missing_video_is_rejected(video: Path, tmp_path: Path) -> None:
    def refusal(path: Path, end: float, frames: int) -> str:
        with pytest.raises(OnestoryError) as caught:
            read_window(path, start=0, end=end, frames=frames, fps=12, size=(16, 16))
        assert caught.value.code == "T603"
        return caught.value.message

    assert "shorter than 13 frames" in refusal(video, 1.0, 13)
    assert "has no picture at 2.000 s" in refusal(video, 4.0, 48)
    (tmp_path / "text.mp4").write_text("no video")
    assert "cannot be read as video" in refusal(tmp_path / "text.mp4", 1.0, 12)
