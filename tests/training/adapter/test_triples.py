"""Triples: which shots, labels and ages they contain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from onestory_cli.training.adapter.cache import Shards
from onestory_cli.training.adapter.prepare import Keys
from onestory_cli.training.adapter.source import SourceShot, VideoFormat, captions_of, clips_of, places_of, shot_at
from onestory_cli.training.adapter.triples import Shots, split

FORMAT = VideoFormat(width=16, height=16, frames=5, fps=8)
FRAMES, CHANNELS = 2, 3


class Listed:
    """Two videos of 2 and 4 shots; the second does not state its relevance."""

    videos = tuple(
        tuple(
            SourceShot(
                caption=f"{video}.{shot}",
                relevance=(0.5,) * shot if video == 0 else None,
                identity=(video, shot),
                frames=5,
            )
            for shot in range(count)
        )
        for video, count in enumerate((2, 4))
    )

    def pixels(self, video: int, shot: int, window: int = 0) -> np.ndarray:
        raise AssertionError("all is in the cache")


@pytest.fixture
def shots(tmp_path: Path) -> Shots:
    """Latents are 10 x video + shot everywhere, augmented copies 100 more; shots look like their video's first two."""
    keys = Keys(source=Listed(), format=FORMAT, text="t", video="v", encoders=("a", "b"))
    cache = Shards(tmp_path)
    cache.put(keys.length, torch.tensor([4]))
    for caption in captions_of(keys.source):
        cache.put(keys.caption(caption), torch.full((2 if caption else 0, 5), 1.0))
    for video, shot in places_of(keys.source):
        cache.put(keys.latents((video, shot, 0)), torch.full((CHANNELS, FRAMES, 2, 2), 10.0 * video + shot))
        cache.put(keys.augmented(video), torch.full((CHANNELS, FRAMES, 2, 2), 10.0 * video + 100))
        for name in keys.encoders:
            angle = torch.tensor([float(shot)]) if name == "a" else torch.zeros(1)
            cache.put(keys.features((video, shot, 0), name), torch.cat([angle.cos(), angle.sin()]).repeat(FRAMES, 1))
    return Shots(keys, cache)


def sources(batch_BFCHW: Tensor) -> list[list[int]]:
    """The values of the two remembered shots, which identify them."""
    return batch_BFCHW[:, ::FRAMES, 0, 0, 0].int().tolist()


def test_triple_is_two_earlier_shots_and_a_target(shots: Shots) -> None:
    batch = shots.draw(np.random.default_rng(0), size=200, length=5, inflation=0.0, drop_text=0.0)
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
    batch = shots.draw(np.random.default_rng(1), size=200, length=5, inflation=0.5, drop_text=0.0)
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
    batch = shots.draw(np.random.default_rng(2), size=300, length=5, inflation=0.5, drop_text=0.0)
    ages = batch.ages_BF[:, ::FRAMES]
    assert ages[:, 1].unique().tolist() == [1]
    assert ages[:, 0].unique().tolist() == [2, 3, 4, 5, 6, 7]
    assert batch.times_BF[0].tolist() == [0, 1, 0, 1]


def test_inflation_and_dropped_captions_have_their_shares(shots: Shots) -> None:
    always = shots.draw(np.random.default_rng(3), size=100, length=5, inflation=1.0, drop_text=1.0)
    assert not always.real_BF.all(1).any()
    assert not always.text_BLE.any()
    again = shots.draw(np.random.default_rng(3), size=100, length=5, inflation=1.0, drop_text=1.0)
    assert torch.equal(always.memory_BFCHW, again.memory_BFCHW)


def test_negatives_are_frames_of_another_video(shots: Shots) -> None:
    batch = shots.draw(np.random.default_rng(4), size=50, length=5, inflation=0.0, drop_text=0.0, negatives=True)
    assert batch.negatives_BNCHW is not None
    assert batch.negatives_BNCHW.shape == (50, FRAMES, CHANNELS, 2, 2)
    videos = batch.negatives_BNCHW[:, 0, 0, 0, 0] // 10
    assert not videos.eq(batch.target_BCTHW[:, 0, 0, 0, 0] // 10).any()


class Mixed:
    """Two videos of shots of 5 and 9 frames; the longer ones have two windows."""

    videos = tuple(
        tuple(
            SourceShot(
                caption="",
                relevance=(0.5,) * shot,
                identity=(video, shot),
                frames=9 if long else 5,
                windows=2 if long else 1,
            )
            for shot, long in enumerate(kinds)
        )
        for video, kinds in enumerate([(True, False), (True, True, False, True)])
    )

    def pixels(self, video: int, shot: int, window: int = 0) -> np.ndarray:
        raise AssertionError("all is in the cache")


@pytest.fixture
def mixed(tmp_path: Path) -> Shots:
    """Latents are 100 x video + 10 x shot + window everywhere."""
    keys = Keys(source=Mixed(), format=replace(FORMAT, buckets=(5, 9)), text="t", video="v", encoders=())
    cache = Shards(tmp_path)
    cache.put(keys.length, torch.tensor([4]))
    cache.put(keys.caption(""), torch.zeros(0, 5))
    for video, shot, window in clips_of(keys.source):
        frames = (shot_at(keys.source, (video, shot)).frames + 3) // 4
        value = 100.0 * video + 10 * shot + window
        cache.put(keys.latents((video, shot, window)), torch.full((CHANNELS, frames, 2, 2), value))
        if shot == window == 0:
            cache.put(keys.augmented(video), torch.full((CHANNELS, frames, 2, 2), 500.0))
    return Shots(keys, cache)


def test_batches_have_targets_of_one_length(mixed: Shots) -> None:
    """Targets are drawn in their own length; videos have equal shares, however many shots they have."""
    rng = np.random.default_rng(0)
    lengths = [mixed.draw_length(rng) for _ in range(600)]
    assert lengths.count(5) / 600 == pytest.approx((1 + 1 / 3) / 2, abs=0.06)
    short = mixed.draw(rng, size=20, length=5, inflation=0.0, drop_text=0.0)
    long = mixed.draw(rng, size=20, length=9, inflation=0.0, drop_text=0.0)
    assert (short.target_BCTHW.shape[2], long.target_BCTHW.shape[2]) == (2, 3)
    assert set(short.target_BCTHW[:, 0, 0, 0, 0].int().tolist()) == {10, 120}
    assert set(long.target_BCTHW[:, 0, 0, 0, 0].int().tolist()) == {110, 111, 130, 131}  # in both windows


def test_remembered_shots_have_their_own_lengths(mixed: Shots) -> None:
    rng = np.random.default_rng(1)
    single = [mixed.draw(rng, size=1, length=9, inflation=0.0, drop_text=0.0) for _ in range(40)]
    assert {batch.memory_BFCHW.shape[1] for batch in single} == {5, 6}
    for batch in single:
        count = batch.memory_BFCHW.shape[1]
        assert batch.labels_BF.shape == batch.real_BF.shape == batch.ages_BF.shape == batch.times_BF.shape == (1, count)
        starts = (batch.times_BF[0] == 0).nonzero().flatten().tolist()
        assert starts[0] == 0
        assert batch.ages_BF[0, starts[1] :].eq(1).all()
    several = mixed.draw(rng, size=20, length=9, inflation=0.0, drop_text=0.0)
    assert several.times_BF.tolist() == [[0, 1, 0, 1]] * 20  # cut to the shortest at each place
    assert mixed.shot_frames == 2


class Files:
    """Ten files with two sequences each, as a set of `curate` may have."""

    videos = tuple(
        tuple(
            SourceShot(caption="", relevance=(0.5,) * shot, identity=(f"file {video // 2}", shot), frames=5)
            for shot in range(2)
        )
        for video in range(20)
    )

    def pixels(self, video: int, shot: int, window: int = 0) -> np.ndarray:
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
