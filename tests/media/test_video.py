import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.media import video
from onestory_cli.media.video import ClipInfo, probe, read_clip, write_clip

COLOURS = [
    (0, 0, 0),
    (255, 255, 255),
    (128, 128, 128),
    (220, 40, 40),
    (40, 180, 70),
    (40, 90, 220),
    (250, 210, 60),
    (240, 130, 200),
]


def distance(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def test_solid_colours_are_within_three_levels(tmp_path):
    patches = np.array(COLOURS, np.uint8).reshape(1, 2, 4, 3).repeat(32, axis=1).repeat(32, axis=2)
    write_clip(tmp_path / "clip.mp4", patches.repeat(5, axis=0), fps=8, crf=4)
    decoded = read_clip(tmp_path / "clip.mp4")
    centres = decoded[:, 16::32, 16::32]
    assert distance(centres, np.array(COLOURS).reshape(2, 4, 3)[None]) <= 3


def test_gradients_are_within_three_levels(tmp_path):
    ramp = np.arange(256, dtype=np.uint8)
    gradient = np.stack(np.broadcast_arrays(ramp[None, :], ramp[None, ::-1], ramp[:, None]), axis=-1)
    pixels = gradient[None].repeat(2, axis=0)
    write_clip(tmp_path / "clip.mp4", pixels, fps=8, crf=1)
    error = np.abs(read_clip(tmp_path / "clip.mp4").astype(int) - pixels)
    assert np.quantile(error, 0.99) <= 3
    assert error.max() <= 5


def test_enlarged_pixels_do_not_bleed(tmp_path):
    """At scale 2, each source pixel is exactly one chroma sample."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    write_clip(tmp_path / "clip.mp4", pixels, fps=8, scale=2, crf=1)
    assert distance(read_clip(tmp_path / "clip.mp4")[:, ::2, ::2], pixels) <= 6


def test_stream_declares_bt709_in_every_header(tmp_path, make_pixels):
    write_clip(tmp_path / "clip.mp4", make_pixels(), fps=8)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        codec = container.streams.video[0].codec_context
        frame = next(container.decode(video=0))
        assert codec.name == "h264"
        assert codec.pix_fmt == "yuv420p"
    assert (codec.color_primaries, codec.color_trc, codec.colorspace, codec.color_range) == (1, 1, 1, 1)
    assert (frame.colorspace, frame.color_range) == (1, 1)
    mp4_colour_box = b"colrnclx" + bytes([0, 1, 0, 1, 0, 1, 0])
    assert mp4_colour_box in (tmp_path / "clip.mp4").read_bytes()


@pytest.mark.parametrize(("frames", "fps"), [(1, 8), (17, 8), (81, 16), (49, 24), (5, 30)])
def test_length_is_exact_to_the_frame(tmp_path, make_pixels, frames, fps):
    path = tmp_path / "clip.mp4"
    info = write_clip(path, make_pixels(frames=frames), fps=fps)
    assert info == ClipInfo(frames=frames, width=48, height=32, fps=fps, seconds=frames / fps)
    assert probe(path) == info
    assert len(read_clip(path)) == frames
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.frames == frames
        assert stream.duration * stream.time_base == Fraction(frames, fps)
        assert [frame.time for frame in container.decode(stream)] == pytest.approx(np.arange(frames) / fps)


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs the ffprobe program")
def test_ffprobe_counts_the_same_frames(tmp_path, make_pixels):
    write_clip(tmp_path / "clip.mp4", make_pixels(frames=17), fps=8)
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", tmp_path / "clip.mp4"]
    stream = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["streams"][0]
    assert (stream["nb_read_frames"], stream["avg_frame_rate"]) == ("17", "8/1")


def test_index_comes_before_the_frames(tmp_path, make_pixels):
    write_clip(tmp_path / "clip.mp4", make_pixels(), fps=8)
    data = (tmp_path / "clip.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_same_pixels_give_the_same_bytes(tmp_path, make_pixels):
    pixels = make_pixels(frames=17)
    for name in ("a.mp4", "b.mp4"):
        write_clip(tmp_path / name, pixels, fps=8, scale=2, filter="lanczos")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_encoding_uses_one_thread(tmp_path, make_pixels):
    """With four threads, one clip in a hundred thousand differed; x264 writes its settings into the clip."""
    write_clip(tmp_path / "clip.mp4", make_pixels(), fps=8)
    assert b" threads=1 lookahead_threads=1 " in (tmp_path / "clip.mp4").read_bytes()


def test_views_and_reversed_frames_are_encoded_correctly(tmp_path, make_pixels):
    pixels = make_pixels()[::-1, :, ::-1]
    write_clip(tmp_path / "clip.mp4", pixels, fps=8, crf=1)
    assert np.abs(read_clip(tmp_path / "clip.mp4").astype(int) - pixels).mean() < 2


def test_nearest_repeats_pixels_and_lanczos_blends_them(tmp_path):
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    pixels[:, :, 4:] = 255
    write_clip(tmp_path / "nearest.mp4", pixels, fps=8, scale=8, filter="nearest", crf=1)
    write_clip(tmp_path / "lanczos.mp4", pixels, fps=8, scale=8, filter="lanczos", crf=1)
    hard, soft = read_clip(tmp_path / "nearest.mp4"), read_clip(tmp_path / "lanczos.mp4")
    assert hard.shape == soft.shape == (2, 64, 64, 3)
    middle = (slice(None), slice(None), slice(28, 36))
    assert not ((hard[middle] > 20) & (hard[middle] < 235)).any()
    assert ((soft[middle] > 20) & (soft[middle] < 235)).any()


@pytest.mark.parametrize(("width", "height", "scale"), [(33, 32, 1), (32, 33, 1), (33, 33, 3)])
def test_odd_size_is_refused_before_anything_is_written(tmp_path, width, height, scale):
    with pytest.raises(OnestoryError, match=f"{width * scale}x{height * scale}") as caught:
        write_clip(tmp_path / "clip.mp4", np.zeros((1, height, width, 3), np.uint8), fps=8, scale=scale)
    assert caught.value.code == "M506"
    assert "scale: 2" in caught.value.help
    assert not (tmp_path / "clip.mp4").exists()


def test_odd_size_is_accepted_with_an_even_scale(tmp_path):
    info = write_clip(tmp_path / "clip.mp4", np.zeros((1, 33, 35, 3), np.uint8), fps=8, scale=2)
    assert (info.width, info.height) == (70, 66)


def test_a_missing_encoder_is_a_machine_error(tmp_path, make_pixels, monkeypatch):
    monkeypatch.setattr(video, "ENCODER", "libx264-that-is-not-there")
    with pytest.raises(OnestoryError) as caught:
        write_clip(tmp_path / "clip.mp4", make_pixels(), fps=8)
    assert (caught.value.code, caught.value.exit) == ("M505", ExitCode.MACHINE)
    assert not (tmp_path / "clip.mp4").exists()


@pytest.mark.parametrize("content", [None, b"", b"not a video at all" * 100])
def test_an_unreadable_file_is_named(tmp_path, content):
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    for read in (read_clip, probe):
        with pytest.raises(OnestoryError, match=r"clip\.mp4") as caught:
            read(path)
        assert caught.value.code == "M508"


def test_a_truncated_clip_is_refused(tmp_path, make_pixels):
    """FFmpeg would silently decode the rest; a cut at any byte must be detected."""
    path = tmp_path / "clip.mp4"
    write_clip(path, make_pixels(frames=5), fps=8)
    data = path.read_bytes()
    for length in range(len(data) // 10, len(data), len(data) // 10):
        path.write_bytes(data[:length])
        for read in (read_clip, probe):
            with pytest.raises(OnestoryError) as caught:
                read(path)
            assert caught.value.code == "M508"


def test_unwritable_folder_is_an_os_error(tmp_path, make_pixels):
    with pytest.raises(OSError):  # noqa: PT011 (the error depends on the system)
        write_clip(tmp_path / "missing" / "clip.mp4", make_pixels(), fps=8)


def test_colon_in_a_relative_path_is_not_a_protocol(tmp_path, make_pixels, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_clip(Path("act one: dawn.mp4"), make_pixels(frames=2), fps=8)
    assert probe(Path("act one: dawn.mp4")).frames == 2


def test_full_disk_is_an_os_error(tmp_path, file_size_limit):
    noise = np.random.default_rng(0).integers(0, 256, (8, 128, 128, 3), dtype=np.uint8)
    with file_size_limit(20_000), pytest.raises(OSError):  # noqa: PT011 (errno differs by system)
        write_clip(tmp_path / "clip.mp4", noise, fps=8)
