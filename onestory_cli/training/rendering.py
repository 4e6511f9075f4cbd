"""Render training stories on all processors. No torch here, so that worker processes start quickly.

Shape letters: J shots of a story, P pixel frames, H W pixels.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.visibility import kite_mask
from onestory_cli.storyworld.world import WorldConfig
from onestory_cli.training.pool import map_ahead

CHUNK = 4  # stories per task of a worker
CHUNKS_AHEAD = 2  # per worker


class RenderedStory(NamedTuple):
    """A rendered story: pixels (J, P, H, W, 3), masks of `RenderedShot` (J, P, H, W), and of kites (J, H, W)."""

    pixels_JPHWC: NDArray[np.uint8]
    cast_JPHW: NDArray[np.uint8]
    details_JPHW: NDArray[np.uint8]
    kites_JHW: NDArray[np.bool_]


def render_story(seed: int, *, config: WorldConfig, shots: int) -> RenderedStory:
    """Render one story."""
    story = make_story(seed, config, shots=shots)
    drawn = [render_shot(shot, config) for shot in story.shots]
    return RenderedStory(
        pixels_JPHWC=np.stack([item.pixels_THWC for item in drawn]),
        cast_JPHW=np.stack([item.cast_THW for item in drawn]),
        details_JPHW=np.stack([item.details_THW for item in drawn]),
        kites_JHW=np.stack([kite_mask(shot, config.size) for shot in story.shots]),
    )


def render_stories(seeds: Sequence[int], *, config: WorldConfig, shots: int) -> Iterator[RenderedStory]:
    """Render a story for each seed, in order; more than a few are rendered by one worker per processor.

    A rendered story has megabytes, so workers render only a few ahead of the one that is read.
    """
    render = partial(_render_chunk, config=config, shots=shots)
    if len(seeds) <= CHUNK:
        yield from render(seeds)
        return
    workers = os.cpu_count() or 1
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from chain.from_iterable(map_ahead(pool, render, chunks, CHUNKS_AHEAD * workers))


def _render_chunk(seeds: Sequence[int], *, config: WorldConfig, shots: int) -> list[RenderedStory]:
    return [render_story(seed, config=config, shots=shots) for seed in seeds]


def augment(pixels_JPHWC: NDArray[np.uint8], *, seed: int) -> NDArray[np.uint8]:
    """An augmented copy: mirrored, zoomed by a fifth, with permuted colour channels."""
    rng = np.random.default_rng([seed, 3])
    height, width = pixels_JPHWC.shape[2:4]
    tall, wide = height * 4 // 5, width * 4 // 5
    top, left = rng.integers([height - tall + 1, width - wide + 1])
    rows = top + np.arange(height) * tall // height
    columns = left + np.arange(width)[::-1] * wide // width
    return pixels_JPHWC[:, :, rows][:, :, :, columns][..., rng.permutation(3)]
