from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from onestory_cli.generation import preview as module
from onestory_cli.generation.denoise import clean_estimate
from onestory_cli.generation.preview import FIRST_SECONDS, MAX_SHARE, StepPreview
from tests.films import plan_of, shot


class Codec:
    """Counts what is decoded; each call takes a second of the test's clock."""

    def __init__(self, clock: list[float]) -> None:
        self.lock = SimpleNamespace(locked=lambda: self.busy)
        self.busy, self.decoded, self._clock = False, 0, clock

    def decode(self, latents_CTHW: torch.Tensor) -> np.ndarray:
        assert latents_CTHW.shape[1] == 1
        self.decoded += 1
        self._clock[0] += 1.0
        return np.full((1, 2, 2, 3), float(latents_CTHW.mean()))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def previews(clock: list[float], offload: str = "none") -> tuple[StepPreview, Codec, list[tuple[Any, ...]]]:
    codec, shown = Codec(clock), []
    model: Any = SimpleNamespace(codec=codec, spec=SimpleNamespace(execution=SimpleNamespace(offload=offload)))
    (job,) = plan_of(shot("city", steps=10)).jobs
    preview = StepPreview(model, job, lambda *item: shown.append(item))
    clock[0] += FIRST_SECONDS
    return preview, codec, shown


def estimate() -> torch.Tensor:
    return torch.arange(3.0).view(1, 1, 3, 1, 1).expand(1, 4, 3, 2, 2)


def test_a_shot_that_takes_a_second_has_no_preview(clock: list[float]) -> None:
    preview, _, shown = previews(clock)
    clock[0] -= 1.0
    preview(1, estimate)
    assert shown == []


def test_the_middle_frame_is_shown(clock: list[float]) -> None:
    preview, _, shown = previews(clock)
    preview(1, estimate)
    ((name, step, steps, pixels_HW3),) = shown
    assert (name, step, steps) == ("city", 1, 10)
    assert pixels_HW3.shape == (2, 2, 3)
    assert pixels_HW3.mean() == 1.0


def test_previews_take_at_most_their_share_of_the_time(clock: list[float]) -> None:
    preview, codec, _ = previews(clock)
    for _ in range(1000):
        preview(1, estimate)
        clock[0] += 1.0
    spent = codec.decoded * 1.0
    assert 0.5 * MAX_SHARE < spent / (clock[0] - 100.0) <= 1.1 * MAX_SHARE


def test_a_busy_or_offloaded_vae_and_the_last_step_are_left_alone(clock: list[float]) -> None:
    preview, codec, shown = previews(clock)
    codec.busy = True
    preview(1, estimate)
    codec.busy = False
    preview(10, estimate)
    offloaded, _, others = previews(clock, offload="model")
    offloaded(1, estimate)
    assert shown == others == []


def test_the_estimate_of_a_straight_path_is_its_clean_end() -> None:
    clean, noise, sigma = torch.full((1, 2, 3, 1, 1), 2.0), torch.randn(1, 2, 3, 1, 1), torch.tensor(0.3)
    noisy = (1 - sigma) * clean + sigma * noise
    found = clean_estimate(noisy, noise - clean, sigma, skip=1)
    torch.testing.assert_close(found, clean[:, :, 1:])
