"""The eye detector on frames of stories that it was not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from onestory_cli.evaluation.drawing import EYES, Drawing, drawn_at
from onestory_cli.evaluation.eyes import (
    EyeDetector,
    load_benchmark_readout,
    load_eye_detector,
    render_eyes,
    train_eye_detector,
)
from onestory_cli.evaluation.readout import save_halves
from onestory_cli.storyworld.world import WorldConfig

Frames = NDArray[np.uint8]


@pytest.fixture(scope="module")
def detector() -> EyeDetector:
    return load_eye_detector()


@pytest.fixture(scope="module")
def rendered() -> tuple[Frames, NDArray[np.bool_]]:
    return render_eyes(range(6_000_000, 6_000_004), WorldConfig())


def test_detector_finds_eyes_and_only_eyes(detector: EyeDetector, rendered: tuple[Frames, NDArray[np.bool_]]) -> None:
    frames, eyes = rendered
    counts = detector.count(frames)
    assert (counts[eyes.any((1, 2))] > 0).all()
    assert counts[~eyes.any((1, 2))].sum() <= 1
    assert (counts <= 4).all()  # two characters


def test_painted_over_eyes_are_not_found(detector: EyeDetector, rendered: tuple[Frames, NDArray[np.bool_]]) -> None:
    frames, eyes = rendered
    blind = frames.copy()
    for frame, mask in zip(blind, eyes, strict=True):
        frame[mask] = np.median(frame[~mask].reshape(-1, 3), axis=0)
    assert detector.count(blind).sum() < 0.2 * detector.count(frames).sum()


def test_other_sizes_are_resampled(detector: EyeDetector, rendered: tuple[Frames, NDArray[np.bool_]]) -> None:
    frames = rendered[0][:8]
    larger = np.stack([np.asarray(Image.fromarray(frame).resize((256, 256), Image.Resampling.BOX)) for frame in frames])
    assert np.abs(detector.count(larger) - detector.count(frames)).sum() <= 1


def test_saved_detector_counts_the_same(
    detector: EyeDetector, rendered: tuple[Frames, NDArray[np.bool_]], tmp_path: Path
) -> None:
    save_halves(detector, tmp_path / "eyes.safetensors")
    frames = rendered[0][:4]
    assert (load_eye_detector(tmp_path / "eyes.safetensors").count(frames) == detector.count(frames)).all()


def test_views_of_the_benchmark_have_eyes(rendered: tuple[Frames, NDArray[np.bool_]]) -> None:
    frames, eyes = rendered
    (view,) = load_benchmark_readout().view(frames[eyes.any((1, 2))][:3][None])
    assert view.drawing.eyes_R is not None
    assert (view.drawing.eyes_R > 0).all()


@pytest.mark.parametrize(("framing", "expected"), [("wide shot", 0.75), ("medium shot", 0.75), ("close-up", None)])
def test_row_is_the_share_of_true_eyes(framing: str, expected: float | None) -> None:
    def drawing(*eyes: int) -> Drawing:
        ones = np.ones(2, np.float32)
        return Drawing(energy_R=ones, features_RD=np.ones((2, 2), np.float32), eyes_R=np.array(eyes, np.float32))

    assert dict(drawn_at(drawing(5, 1), drawing(2, 2), framing)).get(EYES) == expected
    assert EYES not in dict(drawn_at(drawing(5, 1), drawing(0, 0), framing))


@pytest.mark.train
def test_training_learns() -> None:
    losses: list[float] = []
    train_eye_detector(WorldConfig(), stories=1, steps=12, batch=4, progress=lambda step, value: losses.append(value))
    assert losses[-1] < 0.7 * losses[0]
