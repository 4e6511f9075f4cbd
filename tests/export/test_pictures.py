"""Exports are read back by Pillow, PyAV and, if installed, ffprobe."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from onestory_cli.export.cut import Cut
from onestory_cli.export.write import Target, export
from onestory_cli.media.video import read_clip


def film_pixels(cut: Cut) -> np.ndarray:
    """All frames of the clips: (P, H, W, 3) uint8."""
    return np.concatenate([read_clip(shot.take.clip) for shot in cut.shots])


def test_frames_are_the_pixels_of_the_clips(cut: Cut, tmp_path: Path) -> None:
    export(cut, Target.FRAMES, tmp_path / "frames")
    files = sorted((tmp_path / "frames").rglob("*.png"))
    assert [len(list(folder.iterdir())) for folder in sorted((tmp_path / "frames").iterdir())] == [5, 9, 5]
    assert files[0] == tmp_path / "frames" / "01-opening" / "0001.png"
    pixels_PHW3 = np.stack([np.asarray(Image.open(file)) for file in files])
    assert np.array_equal(pixels_PHW3, film_pixels(cut))


def test_prores_keeps_length_rate_chapters_and_picture(cut: Cut, tmp_path: Path) -> None:
    path = tmp_path / "film.mov"
    export(cut, Target.PRORES, path)
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("prores", "yuv422p10le")
        assert (stream.average_rate, len(frames), film.metadata["title"]) == (8, 19, "The Lost Kite")
        assert [chapter["metadata"]["title"] for chapter in film.chapters()] == ["opening", "city", "return"]
    assert np.abs(np.stack(frames).astype(int) - film_pixels(cut)).mean() < 3


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffprobe is not installed")
def test_ffprobe_reports_profile_and_colours(cut: Cut, tmp_path: Path) -> None:
    export(cut, Target.PRORES, tmp_path / "film.mov")
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-show_streams", "-show_chapters", "-of", "json", tmp_path / "film.mov"],
        capture_output=True,
        check=True,
    )
    probed = json.loads(shown.stdout)
    stream = probed["streams"][0]
    assert (stream["codec_name"], stream["profile"], stream["codec_tag_string"]) == ("prores", "HQ", "apch")
    assert (stream["nb_frames"], stream["r_frame_rate"], stream["duration"]) == ("19", "8/1", "2.375000")
    assert {stream[name] for name in ("color_space", "color_transfer", "color_primaries")} == {"bt709"}
    assert [chapter["start_time"] for chapter in probed["chapters"]] == ["0.000000", "0.625000", "1.750000"]


@pytest.mark.parametrize("target", [Target.GIF, Target.WEBP])
def test_an_animation_repeats_forever_and_lasts_as_long_as_the_film(cut: Cut, tmp_path: Path, target: Target) -> None:
    path = tmp_path / f"film.{target}"
    export(cut, target, path)
    with Image.open(path) as picture:
        durations, frames = [], []
        for index in range(picture.n_frames):
            picture.seek(index)
            frames.append(np.asarray(picture.convert("RGB")))
            durations.append(picture.info["duration"])  # a WebP has it once the frame is decoded
        assert (picture.n_frames, picture.size, picture.info["loop"]) == (19, (32, 32), 0)
    assert sum(durations) == pytest.approx(19 * 1000 / 8, abs=20)
    assert np.abs(np.stack(frames).astype(int) - film_pixels(cut)).mean() < 6
