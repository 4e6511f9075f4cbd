"""Clips with one thing wrong, and clips with nothing wrong."""

from __future__ import annotations

import numpy as np
import pytest

from onestory_cli.media.checks import check_clip, colour, colour_difference


def place(seed: int) -> np.ndarray:
    """A broad picture of blobs that a camera can pan over."""
    return np.random.default_rng(seed).integers(40, 216, (6, 20, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)


def pan(frames: int, seed: int = 0, speed: int = 2) -> np.ndarray:
    return np.stack([place(seed)[:, index * speed : index * speed + 96] for index in range(frames)])


@pytest.mark.parametrize("speed", [0, 1, 3, 6])
def test_a_camera_that_moves_at_any_speed_is_no_cut_and_no_flash(speed: int) -> None:
    found = check_clip(pan(17, speed=speed))
    assert (found.cuts, found.flashes, found.dark) == ((), (), 0.0)
    assert (found.still == 1.0) == (speed == 0)


@pytest.mark.parametrize("at", [1, 2, 8, 15, 16])
@pytest.mark.parametrize("speed", [0, 2])
def test_a_cut_is_found_at_its_frame(at: int, speed: int) -> None:
    clip = pan(17, speed=speed)
    clip[at:] = pan(17, seed=1, speed=speed)[at:]
    found = check_clip(clip)
    assert (found.cuts, found.flashes) == ((at,), ())


def test_two_cuts_are_two() -> None:
    clip = pan(18)
    clip[6:12] = pan(18, seed=1)[6:12]
    assert check_clip(clip).cuts == (6, 12)


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("at", [1, 7, 14])
@pytest.mark.parametrize("kind", ["white", "black", "another picture"])
def test_a_flash_is_no_cut(at: int, length: int, kind: str) -> None:
    clip = pan(17, speed=1)
    clip[at : at + length] = {"white": 255, "black": 0, "another picture": pan(17, seed=1)[at : at + length]}[kind]
    found = check_clip(clip)
    assert (found.flashes, found.cuts) == (tuple(range(at, at + length)), ())


def test_lights_that_go_up_slowly_are_no_flash() -> None:
    steps = np.linspace(0.4, 1, 17)[:, None, None, None]
    found = check_clip((pan(17) * steps).astype(np.uint8))
    assert (found.cuts, found.flashes) == ((), ())
    assert found.drift > 10


def test_noise_is_nothing_wrong_and_not_still() -> None:
    noise = np.random.default_rng(2).integers(0, 24, (17, 96, 96, 3), dtype=np.uint8)
    found = check_clip(pan(17, speed=0) + noise)
    assert (found.cuts, found.flashes, found.still) == ((), (), 0.0)


def test_stillness_is_the_longest_run() -> None:
    clip = pan(17)
    clip[8:] = clip[8]
    assert check_clip(clip).still == pytest.approx(8 / 16)


def test_darkness_is_a_part_of_the_clip() -> None:
    clip = pan(16)
    clip[:4] = 3
    assert check_clip(clip).dark == 0.25


@pytest.mark.parametrize("frames", [1, 2])
def test_the_shortest_clips(frames: int) -> None:
    found = check_clip(pan(frames))
    assert (found.cuts, found.flashes, found.dark) == ((), (), 0.0)


def test_colours_are_those_of_the_tables() -> None:
    flat = np.ones((2, 4, 4, 3), np.uint8)
    assert colour(flat * 255) == pytest.approx([100, 0, 0], abs=0.02)
    assert colour(flat * np.array([255, 0, 0], np.uint8)) == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert colour_difference(colour(flat * 255), colour(flat * 0)) == pytest.approx(100, abs=0.02)
