"""Drawing quality: blur, colour shift and bad first frames lower it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from onestory_cli.evaluation.drawing import (
    FIRST_LIKENESS,
    FIRST_SHARPNESS,
    SHARPNESS,
    Drawing,
    diversity,
    drawn_at,
    frechet_distance,
    gradient_energy,
)
from onestory_cli.evaluation.readout import Readout
from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.world import WorldConfig

WORLD = WorldConfig(frames=5)
Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def clips() -> list[Pixels]:
    shots = [shot for seed in range(1_500_000, 1_500_004) for shot in make_story(seed, WORLD).shots]
    return [render_shot(shot, WORLD).pixels_THWC for shot in shots]


def blur(frame: Pixels, radius: float) -> Pixels:
    return np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(radius)))


def blurred(clip: Pixels, radius: float, *, frames: int = 5) -> Pixels:
    return np.stack([*(blur(frame, radius) for frame in clip[:frames]), *clip[frames:]])


def drawing_of(readout: Readout, clip: Pixels) -> Drawing:
    return readout.view(clip[None])[0].drawing


def test_gradient_energy_of_an_edge() -> None:
    frame = np.zeros((1, 2, 4, 3), np.uint8)
    frame[:, :, 2:] = 255
    assert gradient_energy(frame).tolist() == pytest.approx([1 / 3])  # one of three columns of differences is 1


def test_sharpness_falls_with_blur(readout: Readout, clips: list[Pixels]) -> None:
    for clip in clips[:6]:
        true = drawing_of(readout, clip)
        values = [dict(drawn_at(drawing_of(readout, blurred(clip, radius)), true))[SHARPNESS] for radius in (0, 1, 2)]
        assert values[0] == pytest.approx(1)
        assert values[0] > 1.3 * values[1] > 1.5 * values[2] > 0


def test_bad_first_frame_changes_only_its_own_rows(readout: Readout, clips: list[Pixels]) -> None:
    for clip in clips[:6]:
        true = drawing_of(readout, clip)
        rows = dict(drawn_at(drawing_of(readout, blurred(clip, 2, frames=1)), true))
        assert rows[FIRST_SHARPNESS] < 0.7
        assert rows[SHARPNESS] > 0.75
        assert rows[FIRST_LIKENESS] < dict(drawn_at(true, true))[FIRST_LIKENESS]


def test_single_frame_has_no_first_frame_rows(readout: Readout, clips: list[Pixels]) -> None:
    drawing = drawing_of(readout, clips[0][:1])
    assert FIRST_LIKENESS not in dict(drawn_at(drawing, drawing))


def test_frechet_distance_of_normal_distributions() -> None:
    rng = np.random.default_rng(0)

    def drawn(mean: float, deviation: float) -> list[Drawing]:
        features = rng.normal(mean, deviation, (50_000, 2)).astype(np.float32)
        return [Drawing(energy_R=np.ones(1, np.float32), features_RD=features)]

    same = drawn(0, 1)
    assert frechet_distance(same, same) == pytest.approx(0, abs=1e-6)
    # |m1 - m2|^2 + sum (s1 - s2)^2, over two axes
    assert frechet_distance(same, drawn(1, 3)) == pytest.approx(2 + 2 * 4, rel=0.05)


@pytest.mark.slow
def test_frechet_distance_grows_with_blur(readout: Readout, clips: list[Pixels]) -> None:
    true = [drawing_of(readout, clip) for clip in clips]
    distances = [
        frechet_distance([drawing_of(readout, blurred(clip, radius)) for clip in clips], true) for radius in (0, 0.7, 2)
    ]
    assert distances[0] == pytest.approx(0, abs=1e-3)
    assert 0 < distances[1] < distances[2]


def test_drawings_are_of_the_read_frames(readout: Readout, clips: list[Pixels]) -> None:
    long = np.repeat(clips[0], 4, axis=0)[:17]
    drawing = drawing_of(readout, long)
    assert drawing.energy_R.shape == (5,)
    assert len(drawing.features_RD) == 5
    np.testing.assert_allclose(drawing.energy_R[0], gradient_energy(long[:1])[0], rtol=1e-6)


def test_diversity_is_the_mean_distance_of_seeds() -> None:
    def film(*angles: float) -> list[Drawing]:
        return [
            Drawing(energy_R=np.ones(2, np.float32), features_RD=np.array([[np.cos(a), np.sin(a)]] * 2, np.float32))
            for a in angles
        ]

    seeds = [[film(0, 0)], [film(0, np.pi / 2)], [film(0, 0)]]
    assert diversity(seeds) == pytest.approx((0 + 1 + 0 + 0 + 0 + 1) / 6, abs=1e-6)
    assert diversity(seeds[:1]) is None
