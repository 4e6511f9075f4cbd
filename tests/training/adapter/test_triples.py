"""Triples: which shots, labels and ages they contain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from onestory_cli.training.adapter.cache import Shards
from onestory_cli.training.adapter.prepare import Keys
from onestory_cli.training.adapter.source import SourceShot, VideoFormat
from onestory_cli.training.adapter.triples import Shots, split

FORMAT = VideoFormat(width=16, height=16, frames=5, fps=8)
FRAMES, CHANNELS = 2, 3


class Listed:
    """Two videos of 2 and 4 shots; the second does not state its relevance."""

    videos = tuple(
        tuple(
            SourceShot(
                caption=f"{video}.{shot}", relevance=(0.5,) * shot if video == 0 else None, identity=(video, shot)
            )
            for shot in range(count)
        )
        for video, count in enumerate((2, 4))
    )

    def pixels(self, video: int, shot: int) -> np.ndarray:
        raise AssertionError("all is in the cache")


@pytest.fixture
def shots(tmp_path: Path) -> Shots:
    """Latents are 10 x video + shot everywhere, augmented copies 100 more; shots look like their video's first two."""
    keys = Keys(source=Listed(), format=FORMAT, text="t", video="v", encoders=("a", "b"))
    cache = Shards(tmp_path)
    cache.put(keys.length, torch.tensor([4]))
    for caption in keys.captions:
        cache.put(keys.caption(caption), torch.full((2 if caption else 0, 5), 1.0))
    for video, shot in keys.places:
        cache.put(keys.latents((video, shot)), torch.full((CHANNELS, FRAMES, 2, 2), 10.0 * video + shot))
        cache.put(keys.augmented(video), torch.full((CHANNELS, FRAMES, 2, 2), 10.0 * video + 100))
        for name in keys.encoders:
            angle = torch.tensor([float(shot)]) if name == "a" else torch.zeros(1)
            cache.put(keys.features((video, shot), name), torch.cat([angle.cos(), angle.sin()]).repeat(FRAMES, 1))
    return Shots(keys, cache)


def sources(batch_BFCHW: Tensor) -> list[list[int]]:
    """The values of the two remembered shots, which identify them."""
    return batch_BFCHW[:, ::FRAMES, 0, 0, 0].int().tolist()


def test_triple_is_two_earlier_shots_and_a_target(shots: Shots) -> None:
    batch = shots.draw(np.random.default_rng(0), size=200, inflation=0.0, drop_text=0.0)
    assert batch.target_BCTHW.shape == (200, CHANNELS, FRAMES, 2, 2)
    assert batch.memory_BFCHW.shape == (200, 2 * FRAMES, CHANNELS, 2, 2)
    assert batch.text_BLE.shape == (200, 4, 5)
    assert batch.text_BLE[:, :, 0].tolist() == [[1.0, 1.0, 0.0, 0.0]] * 200
    seen = set()
    for (first, second), target, real in zip(
        sources(batch.memory_BFCHW), batch.target_BCTHW[:, 0, 0, 0, 0].int().tolist(), batch.real_BF, strict=True
    ):
        seen.add((first, second, target))
        if target % 10 > 1:
            assert second == target - 1
            assert real.all()
        else:
            assert real.sum() == FRAMES
    assert {(10, 12, 13), (11, 12, 13), (10, 11, 12)} < seen
    # Eq. 9: the synthetic shot is first or second, of another video or an augmented copy
    assert {(100, 0, 1), (0, 100, 1), (0, 110, 1)} & seen
    assert any(first == 0 and second in (10, 11, 12, 13) and target == 1 for first, second, target in seen)


def test_labels_are_stated_or_measured(shots: Shots) -> None:
    batch = shots.draw(np.random.default_rng(1), size=200, inflation=0.5, drop_text=0.0)
    targets = batch.target_BCTHW[:, 0, 0, 0, 0].int().tolist()
    for row, (target, pair) in enumerate(zip(targets, sources(batch.memory_BFCHW), strict=True)):
        for place, source in enumerate(pair):
            found = batch.labels_BF[row, place * FRAMES : (place + 1) * FRAMES]
            if source >= 100:
                expected = 0.0
            elif source // 10 != target // 10:
                expected = -1.0
            elif target // 10 == 0:
                expected = 0.5  # as stated
            else:  # the mean of two encoders; for one of them all shots are equal
                expected = (np.cos(target - source) + 1) / 2
            assert found.tolist() == pytest.approx([expected] * FRAMES, abs=1e-3)


def test_ages_count_shots_back(shots: Shots) -> None:
    batch = shots.draw(np.random.default_rng(2), size=300, inflation=0.5, drop_text=0.0)
    ages = batch.ages_BF[:, ::FRAMES]
    assert ages[:, 1].unique().tolist() == [1]
    assert ages[:, 0].unique().tolist() == [2, 3, 4, 5, 6, 7]
    assert batch.times_BF[0].tolist() == [0, 1, 0, 1]


def test_inflation_and_dropped_captions_have_their_shares(shots: Shots) -> None:
    always = shots.draw(np.random.default_rng(3), size=100, inflation=1.0, drop_text=1.0)
    assert not always.real_BF.all(1).any()
    assert not always.text_BLE.any()
    again = shots.draw(np.random.default_rng(3), size=100, inflation=1.0, drop_text=1.0)
    assert torch.equal(always.memory_BFCHW, again.memory_BFCHW)


class Files:
    """Ten files with two sequences each, as a set of `curate` may have."""

    videos = tuple(
        tuple(
            SourceShot(caption="", relevance=(0.5,) * shot, identity=(f"file {video // 2}", shot)) for shot in range(2)
        )
        for video in range(20)
    )

    def pixels(self, video: int, shot: int) -> np.ndarray:
        raise AssertionError


def test_files_are_held_out_whole(tmp_path: Path) -> None:
    shots = Shots(Keys(source=Files(), format=FORMAT, text="t", video="v", encoders=()), Shards(tmp_path))
    training, validation = split(shots, 0.3)
    assert validation
    assert sorted([*training.numbers, *validation.numbers]) == list(range(20))
    assert {number // 2 for number in training.numbers}.isdisjoint(number // 2 for number in validation.numbers)
    assert 2 <= len(validation.numbers) <= 12
    assert split(shots, 0.3)[1] == validation


def test_small_shares_and_small_sets(shots: Shots, tmp_path: Path) -> None:
    many = Shots(Keys(source=Files(), format=FORMAT, text="t", video="v", encoders=()), Shards(tmp_path))
    assert [len(part.numbers) for part in split(many, 1e-9) if part] == [18, 2]
    assert split(many, 0) == (many, None)
    assert split(shots, 0.5) == (shots, None)  # two files are needed for training
