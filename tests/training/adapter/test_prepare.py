"""Encoding of training data: each item once, under a key that covers its inputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from onestory_cli.events import DataPrepared, Event, ignore
from onestory_cli.models.catalog import find
from onestory_cli.training.adapter.base import Base
from onestory_cli.training.adapter.cache import Shards
from onestory_cli.training.adapter.prepare import Keys, WorkSplit, encode_captions, encode_shots
from onestory_cli.training.adapter.recipe import AdapterData
from onestory_cli.training.adapter.source import ShotSource, SourceShot, VideoFormat, clips_of, open_source
from onestory_cli.training.adapter.triples import Shots
from tests.bases import write_base
from tests.training.adapter.encoders import write_clip_encoder, write_dinov2

FORMAT = VideoFormat(width=64, height=64, frames=5, fps=8)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Base]:
    folder = tmp_path_factory.mktemp("bases")
    return {name: Base(find(str(write_base(folder / name, name))), CPU) for name in ("t2v", "i2v")}


@pytest.fixture
def source(manifest: Path, tmp_path: Path) -> ShotSource:
    return open_source(AdapterData(manifest=str(manifest)), FORMAT, relative_to=tmp_path, cache=tmp_path, emit=ignore)


class Unlabelled:
    """A source of shots that do not state their relevance."""

    def __init__(self, source: ShotSource) -> None:
        self.pixels = source.pixels
        self.videos: tuple[tuple[SourceShot, ...], ...] = tuple(
            tuple(replace(shot, relevance=None) for shot in shots) for shots in source.videos
        )


def keys_of(source: ShotSource, base: Base, *encoders: str) -> Keys:
    return Keys(
        source=source,
        format=FORMAT,
        text=base.text_identity,
        video=base.video_identity,
        encoders=encoders,
        first_frame=base.spec.first_frame,
        image_tokens=base.spec.image_tokens,
    )


def test_stored_captions_and_shots_match_direct_encoding(
    source: ShotSource, bases: dict[str, Base], tmp_path: Path
) -> None:
    base, cache = bases["t2v"], Shards(tmp_path / "cache")
    keys = keys_of(source, base)
    heard: list[Event] = []
    encode_captions(keys, base, cache, WorkSplit(), heard.append)
    encode_shots(keys, base, cache, WorkSplit(), heard.append)
    assert heard[-1] == DataPrepared(what="shots", done=7, total=7)
    shots, caption = Shots(keys, cache), source.videos[1][2].caption
    with base.captions() as encode, torch.no_grad():
        expected = encode([caption])[0]
    assert expected.shape[0] == 512
    assert cache[keys.caption(caption)].shape[0] < 20
    assert torch.allclose(shots.text(caption), expected, atol=1e-3)
    with torch.no_grad():
        latents = base.codec().encode_video(source.pixels(1, 2)[None])[0]
    assert torch.allclose(cache[keys.latents((1, 2, 0))].float(), latents, atol=1e-2)
    assert not torch.allclose(cache[keys.augmented(1)].float(), cache[keys.latents((1, 0, 0))].float(), atol=0.1)


def test_work_is_split_and_existing_entries_are_skipped(
    source: ShotSource, bases: dict[str, Base], tmp_path: Path
) -> None:
    base = bases["t2v"]
    keys = keys_of(source, base)
    for index in range(2):
        cache = Shards(tmp_path / "cache", writer=index)
        encode_shots(keys, base, cache, WorkSplit(index=index, count=2), ignore)
    whole = Shards(tmp_path / "cache")
    assert all(key in whole for clip in clips_of(source) for key in keys.of(clip))
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == 2
    heard: list[Event] = []
    encode_shots(keys, base, whole, WorkSplit(), heard.append)
    assert heard == []


def test_all_windows_and_lengths_are_encoded(source: ShotSource, bases: dict[str, Base], tmp_path: Path) -> None:
    """The first shot of the second video has two windows, the second shot more frames."""
    longer = Unlabelled(source)
    first, second, *rest = source.videos[1]
    longer.videos = (source.videos[0], (replace(first, windows=2), replace(second, frames=9), *rest))
    longer.pixels = (
        lambda video, shot, window=0: np.repeat(  # type: ignore[method-assign]
            source.pixels(video, shot)[window : window + 1], longer.videos[video][shot].frames, axis=0
        )
    )
    base, cache = bases["i2v"], Shards(tmp_path / "cache")
    keys = keys_of(longer, base)
    keys = replace(keys, format=replace(FORMAT, buckets=(5, 9)))
    encode_shots(keys, base, cache, WorkSplit(), ignore)
    assert not torch.equal(cache[keys.latents((1, 0, 0))], cache[keys.latents((1, 0, 1))])
    assert cache[keys.latents((1, 1, 0))].shape[1] == 3
    shots = Shots(keys, cache)
    assert shots.first_frames([(1, 1, 0)])["channels_BRTHW"].shape[2] == 3
    assert [shots.first_frames([count])["channels_BRTHW"].shape[2] for count in (5, 9)] == [2, 3]
    assert shots.shot_frames == 2


def test_keys_change_with_everything_that_tensors_depend_on(source: ShotSource, bases: dict[str, Base]) -> None:
    keys = keys_of(source, bases["t2v"], "dino")
    place = (1, 1, 0)
    others = [
        replace(keys, video="other"),
        replace(keys, format=replace(FORMAT, width=128)),
        replace(keys, format=replace(FORMAT, fps=4)),
    ]
    assert all(other.latents(place) != keys.latents(place) for other in others)
    assert keys.latents((0, 1, 0)) != keys.latents(place)
    assert replace(keys, text="other").caption("a") != keys.caption("a")
    assert replace(keys, text="other").latents(place) == keys.latents(place)


def test_relevance_that_is_not_stated_is_measured(source: ShotSource, bases: dict[str, Base], tmp_path: Path) -> None:
    encoders = (write_dinov2(tmp_path / "dino"), write_clip_encoder(tmp_path / "clip"))
    silent, cache = Unlabelled(source), Shards(tmp_path / "cache")
    keys = keys_of(silent, bases["t2v"], *encoders)
    encode_shots(keys, bases["t2v"], cache, WorkSplit(), ignore)
    found = Shots(keys, cache).relevance((1, 0, 0), (1, 2, 0))
    assert found.shape == (2,)
    assert all(-1 <= float(value) <= 1 for value in found)
    itself = Shots(keys, cache).relevance((1, 2, 0), (1, 2, 0))
    assert float(itself.max()) > float(found.max())


def test_first_frames_are_encoded_for_bases_that_read_them(
    source: ShotSource, bases: dict[str, Base], tmp_path: Path
) -> None:
    base, cache = bases["i2v"], Shards(tmp_path / "cache")
    keys = keys_of(source, base)
    encode_shots(keys, base, cache, WorkSplit(), ignore)
    shots = Shots(keys, cache)
    given, free = shots.first_frames([(1, 2, 0)]), shots.first_frames([5])
    assert given["channels_BRTHW"].shape == free["channels_BRTHW"].shape == (1, 20, 2, 8, 8)
    assert given["channels_BRTHW"][0, :4, 0].eq(1).all()
    assert not given["channels_BRTHW"][0, :4, 1].any()
    assert not free["channels_BRTHW"][0, :4].any()
    assert given["image_BIV"].shape == (1, 257, 20)
    assert not torch.equal(given["image_BIV"], free["image_BIV"])
