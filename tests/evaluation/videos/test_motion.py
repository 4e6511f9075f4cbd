"""Motion by block matching, on pictures with known motion."""

from __future__ import annotations

import numpy as np
import pytest

from onestory_cli.evaluation.videos.frames import spread
from onestory_cli.evaluation.videos.motion import SIDE, motion, moves


def texture(height: int = SIDE, width: int = 3 * SIDE) -> np.ndarray:
    """Random blobs, so that blocks can be matched."""
    rough = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4), dtype=np.uint8)
    return rough.repeat(4, 0).repeat(4, 1)


def clip_of(shifts: list[int]) -> np.ndarray:
    """A window on the texture that moves by the given number of pixels in each frame."""
    return np.stack([texture()[:, shift : shift + 2 * SIDE, None].repeat(3, 2) for shift in shifts])


def test_still_clip_and_noise_have_no_motion() -> None:
    still = clip_of([0] * 9)
    assert not motion(still, 8).any()
    noisy = still // 2 + np.random.default_rng(1).integers(0, 9, still.shape, dtype=np.uint8)
    assert not motion(noisy, 8).any()
    assert moves(motion(still, 8), 8) is False


@pytest.mark.parametrize("step", [2, 5, 8])
def test_pan_is_measured_as_share_of_the_shorter_side(step: int) -> None:
    way = motion(clip_of([index * step for index in range(9)]), 8)
    assert way == pytest.approx([step / SIDE] * 8, rel=0.05)
    assert moves(way, 8) is (step / SIDE > 6 / 256)


def test_motion_depends_on_time_not_on_frame_rate() -> None:
    shifts = [index // 3 * 4 for index in range(27)]
    assert motion(clip_of(shifts), 24) == pytest.approx(motion(clip_of(shifts[::3]), 8))


def test_motion_is_relative_to_the_picture_size() -> None:
    small = clip_of([0, 4, 8])
    large = small.repeat(2, 1).repeat(2, 2)
    assert motion(large, 8) == pytest.approx(motion(small, 8), rel=0.05)


def test_small_moving_object_is_detected() -> None:
    frames = clip_of([0] * 5)
    for index in range(5):
        frames[index, 40:80, 40 + 6 * index : 80 + 6 * index] = texture()[40:80, 120:160, None]
    assert motion(frames, 8) == pytest.approx([6 / SIDE] * 4, rel=0.1)


def test_single_frame_has_no_motion() -> None:
    assert len(motion(clip_of([0]), 8)) == 0
    assert moves(motion(clip_of([0]), 8), 8) is None


def test_spread_includes_first_and_last_frame() -> None:
    assert spread(17, 5) == [0, 4, 8, 12, 16]
    assert spread(3, 8) == [0, 1, 2]
    assert spread(9, 1) == [4]
