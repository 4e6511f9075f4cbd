"""Colours are CIELAB and do not depend on the frame size."""

from __future__ import annotations

import numpy as np
import pytest

from onestory_cli.media.colour import SIDE, Pixels, colour, colour_difference, colours, drift, glance


def flat(*rgb: int, frames: int = 2, side: int = 4) -> Pixels:
    return np.full((frames, side, side, 3), rgb, np.uint8)


def test_colours_match_the_published_tables() -> None:
    assert colour(flat(255, 255, 255)) == pytest.approx([100, 0, 0], abs=0.02)
    assert colour(flat(255, 0, 0)) == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert colour_difference(colour(flat(255, 255, 255)), colour(flat(0, 0, 0))) == pytest.approx(100, abs=0.02)


def test_the_mean_is_taken_in_linear_light() -> None:
    half = np.concatenate([flat(0, 0, 0), flat(255, 255, 255)])
    assert colour(half) == pytest.approx(colour(flat(188, 188, 188)), abs=0.2)


def test_each_latent_frame_has_its_colour() -> None:
    black, red = colours(np.concatenate([flat(0, 0, 0), flat(255, 0, 0)]), 2)
    assert np.allclose(black, 0, atol=0.01)
    assert np.allclose(red, (53.24, 80.09, 67.20), atol=0.1)


def test_large_frames_are_sampled() -> None:
    large = flat(10, 20, 30, side=1080)
    assert min(glance(large).shape[1:3]) == 135 < 2 * SIDE
    assert colour(large) == pytest.approx(colour(flat(10, 20, 30)))


def test_drift_is_from_the_first_quarter_to_the_last() -> None:
    levels = np.linspace(0.4, 1, 17)[:, None, None, None]
    assert drift((flat(200, 120, 60, frames=17) * levels).astype(np.uint8)) > 10
    assert drift(flat(200, 120, 60, frames=1)) == 0
