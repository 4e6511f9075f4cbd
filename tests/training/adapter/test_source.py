"""Shots of a manifest and of the storyworld."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from onestory_cli.errors import Findings, OnestoryError
from onestory_cli.events import Event, Warned, ignore
from onestory_cli.storyworld.stories import make_story, relevance
from onestory_cli.storyworld.world import WorldConfig
from onestory_cli.training.adapter.recipe import AdapterData, WorldShots
from onestory_cli.training.adapter.source import ShotSource, VideoFormat, open_source, window_place
from onestory_cli.utils.digests import DigestCache

FORMAT = VideoFormat(width=64, height=64, frames=5, fps=8)


def opened(
    data: AdapterData, tmp_path: Path, format: VideoFormat = FORMAT, heard: list[Event] | None = None
) -> ShotSource:
    emit = ignore if heard is None else heard.append
    return open_source(data, format, relative_to=tmp_path, cache=tmp_path / "cache", emit=emit)


def with_lines(manifest: Path, tmp_path: Path, *, lengths: list[list[float]]) -> AdapterData:
    """The videos of a manifest, with shots of the given lengths in seconds."""
    lines = []
    for line, seconds in zip(map(json.loads, manifest.read_text().splitlines()), lengths, strict=False):
        shots = [
            {"start": index, "end": index + length, "caption": f"Shot {index}.", "relevance": [0.1 * index] * index}
            for index, length in enumerate(seconds)
        ]
        lines.append({"video": str(manifest.parent / line["video"]), "shots": shots})
    (tmp_path / "other.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return AdapterData(manifest="other.jsonl", short="drop")


def test_manifest_provides_captions_pixels_and_labels(manifest: Path, tmp_path: Path) -> None:
    source = opened(AdapterData(manifest=str(manifest)), tmp_path)
    assert [len(shots) for shots in source.videos] == [2, 3, 2]
    assert source.videos[1][2].relevance == (0.5, 0.5)
    pixels = source.pixels(1, 2)
    assert (pixels.shape, pixels.dtype) == ((5, 64, 64, 3), np.uint8)
    assert not np.array_equal(pixels, source.pixels(1, 1))


def test_identity_depends_on_bytes_and_times_not_on_names(manifest: Path, tmp_path: Path) -> None:
    first = opened(AdapterData(manifest=str(manifest)), tmp_path).videos
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in manifest.parent.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    again = opened(AdapterData(manifest="copy/shots.jsonl"), tmp_path).videos
    assert [shot.identity for shots in first for shot in shots] == [shot.identity for shots in again for shot in shots]
    assert len({shot.identity for shots in first for shot in shots}) == 7
    (copy / "0.mp4").write_bytes((copy / "1.mp4").read_bytes())
    changed = opened(AdapterData(manifest="copy/shots.jsonl"), tmp_path).videos
    assert changed[0][0].identity != first[0][0].identity
    assert changed[1] == first[1]


def test_short_shots_are_rejected_or_dropped_as_the_recipe_says(manifest: Path, tmp_path: Path) -> None:
    data = with_lines(manifest, tmp_path, lengths=[[0.7, 0.7], [0.7, 0.5, 0.7], [0.7, 0.2]])
    heard: list[Event] = []
    source = opened(data, tmp_path, heard=heard)
    assert [[shot.caption for shot in shots] for shots in source.videos] == [
        ["Shot 0.", "Shot 1."],
        ["Shot 0.", "Shot 2."],
    ]
    assert source.videos[1][1].relevance == (0.2,)
    assert [event.message for event in heard if isinstance(event, Warned)] == [
        "3 of 7 shots are left out: too short, or alone in their video"
    ]
    with pytest.raises(OnestoryError) as caught:
        opened(AdapterData(manifest="other.jsonl"), tmp_path)
    assert [item.place.line for item in caught.value.diagnostics if item.place] == [2, 3]
    assert caught.value.code == "T603"
    with pytest.raises(OnestoryError, match="1 of 3 videos have two shots"):
        opened(with_lines(manifest, tmp_path, lengths=[[0.7, 0.7], [0.7, 0.5], [0.7, 0.2]]), tmp_path)


def test_a_shot_has_the_longest_bucket_that_it_fits(manifest: Path, tmp_path: Path) -> None:
    data = with_lines(manifest, tmp_path, lengths=[[0.25, 0.4], [0.25, 0.1, 0.6], [0.7, 0.95]])
    format = replace(FORMAT, fps=24, frames=9, buckets=(9, 5, 13), windows=3)
    videos = opened(data, tmp_path, format).videos
    assert [[shot.frames for shot in shots] for shots in videos] == [[5, 9], [5, 13], [13, 13]]
    assert [[shot.windows for shot in shots] for shots in videos] == [[1, 1], [1, 1], [3, 3]]


def test_windows_show_other_parts_of_a_shot(manifest: Path, tmp_path: Path) -> None:
    line = json.loads(manifest.read_text().splitlines()[1])
    shots = [{"start": 0, "end": 0.625, "caption": "a"}, {"start": 0.625, "end": 1.875, "caption": "b"}]
    video = str(manifest.parent / line["video"])
    (tmp_path / "long.jsonl").write_text("\n".join([json.dumps({"video": video, "shots": shots})] * 2))
    source = opened(AdapterData(manifest="long.jsonl"), tmp_path, replace(FORMAT, windows=3))
    assert source.videos[0][1].windows == 3
    windows = [source.pixels(0, 1, window) for window in range(3)]
    assert all(pixels.shape == (5, 64, 64, 3) for pixels in windows)
    assert len({pixels.tobytes() for pixels in windows}) == 3
    assert np.array_equal(windows[0], source.pixels(0, 1))


def test_places_of_windows_do_not_depend_on_their_number() -> None:
    assert [window_place(window) for window in range(7)] == [0.5, 0.25, 0.75, 0.125, 0.625, 0.375, 0.875]


def test_missing_video_is_reported_with_its_line(tmp_path: Path) -> None:
    shots = [{"start": index, "end": index + 1, "caption": "x"} for index in range(2)]
    (tmp_path / "shots.jsonl").write_text(json.dumps({"video": "none.mp4", "shots": shots}))
    with pytest.raises(OnestoryError, match="no video") as caught:
        opened(AdapterData(manifest="shots.jsonl"), tmp_path)
    place = caught.value.diagnostics[0].place
    assert (caught.value.code, place and place.line) == ("T603", 1)


def test_storyworld_is_drawn_at_the_size_of_the_recipe(tmp_path: Path) -> None:
    format = VideoFormat(width=32, height=32, frames=5, fps=8)
    source = opened(AdapterData(storyworld=WorldShots(stories=2, seed=4)), tmp_path, format)
    story = make_story(5, WorldConfig(size=32, frames=5), shots=3)
    assert [shot.caption for shot in source.videos[1]] == [shot.caption for shot in story.shots]
    assert source.videos[1][2].relevance == relevance(story, 2)
    assert source.pixels(1, 0).shape == (5, 32, 32, 3)
    with pytest.raises(OnestoryError, match="draws squares, not 64x32"):
        opened(
            AdapterData(storyworld=WorldShots(stories=2)), tmp_path, VideoFormat(width=64, height=32, frames=5, fps=8)
        )


def test_a_set_is_read_by_its_folder_and_its_files_are_checked(manifest: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    lines = []
    for line in map(json.loads, manifest.read_text().splitlines()):
        video = folder / line["video"]
        video.write_bytes((manifest.parent / line["video"]).read_bytes())
        lines.append({**line, "digest": hashlib.sha256(video.read_bytes()).hexdigest()})
    (folder / "shots.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert len(opened(AdapterData(manifest="set"), tmp_path).videos) == 3
    (folder / "1.mp4").write_bytes((folder / "0.mp4").read_bytes())
    with pytest.raises(Findings, match="has changed since the set was made") as fault:
        _ = opened(AdapterData(manifest="set"), tmp_path).videos
    assert [(item.code, item.place and item.place.line) for item in fault.value.diagnostics] == [("T603", 2)]


def test_a_damaged_cache_of_digests_is_replaced(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "digests.json").write_text('{"a": [1')
    assert len(opened(AdapterData(manifest=str(manifest)), tmp_path).videos) == 3
    assert len(json.loads((tmp_path / "cache" / "digests.json").read_text())) == 3


def test_an_unreadable_video_is_reported_with_its_line(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise ValueError("0.mp4 is a sparse file")

    source = opened(AdapterData(manifest=str(manifest)), tmp_path)
    monkeypatch.setattr(DigestCache, "digest", fail)
    with pytest.raises(Findings, match="is a sparse file") as caught:
        _ = source.videos
    assert [(item.code, item.place and item.place.line) for item in caught.value.diagnostics] == [("T603", 1)]
