"""Rendering of training stories, in this process or in workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from onestory_cli.storyworld.world import WorldConfig
from onestory_cli.training import rendering
from onestory_cli.training.rendering import CHUNK, CHUNKS_AHEAD, augment, render_stories, render_story

CONFIG = WorldConfig(size=16, frames=2)


def test_stories_are_in_order_with_and_without_workers() -> None:
    drawn = list(render_stories(range(5, 6 + CHUNK), config=CONFIG, shots=2))
    assert len(drawn) == CHUNK + 1
    for seed, story in enumerate(drawn, start=5):
        for part, expected in zip(story, render_story(seed, config=CONFIG, shots=2), strict=True):
            assert np.array_equal(part, expected)
    assert not np.array_equal(drawn[0][0], drawn[1][0])


def test_only_a_few_stories_are_rendered_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendered stories that wait to be encoded would otherwise fill the memory."""
    started: list[range] = []

    class Threads(ThreadPoolExecutor):
        def __init__(self, workers: int, **_: object) -> None:
            super().__init__(workers)

        def submit(self, job: Any, seeds: range, **settings: Any) -> Any:
            started.append(seeds)
            return super().submit(job, seeds, **settings)

    monkeypatch.setattr(rendering, "ProcessPoolExecutor", Threads)
    monkeypatch.setattr(rendering.os, "cpu_count", lambda: 2)
    stories = render_stories(range(CHUNK * 20), config=CONFIG, shots=1)
    next(stories)
    assert len(started) == 2 * CHUNKS_AHEAD + 1
    assert sum(1 for _ in stories) == CHUNK * 20 - 1
    assert [seed for seeds in started for seed in seeds] == list(range(CHUNK * 20))


def test_few_stories_are_rendered_in_this_process() -> None:
    few = list(render_stories(range(5, 7), config=CONFIG, shots=2))
    assert [story.pixels_JPHWC.shape for story in few] == [(2, 2, 16, 16, 3)] * 2
    assert [story.cast_JPHW.shape for story in few] == [(2, 2, 16, 16)] * 2
    assert [story.kites_JHW.shape for story in few] == [(2, 16, 16)] * 2
    assert np.array_equal(few[1][0], render_story(6, config=CONFIG, shots=2)[0])


def test_copy_is_augmented_in_space_and_colour() -> None:
    ramp = np.linspace(0, 250, 20).astype(np.uint8)
    pixels = np.zeros((1, 2, 20, 20, 3), np.uint8)
    pixels[..., 0] = ramp
    copies = [augment(pixels, seed=seed) for seed in range(12)]
    for copy in copies:
        assert (copy.shape, copy.dtype) == (pixels.shape, np.uint8)
        channel = int(copy.max(axis=(0, 1, 2, 3)).argmax())
        row = copy[0, 0, 3, :, channel].astype(int)
        assert (np.diff(row) <= 0).all()  # mirrored
        assert 0.7 < (row[0] - row[-1]) / 250 < 0.85  # zoomed to four fifths
    assert {int(copy.max(axis=(0, 1, 2, 3)).argmax()) for copy in copies} == {0, 1, 2}
    assert np.array_equal(copies[3], augment(pixels, seed=3))
