import json
from fractions import Fraction

import av
import numpy as np
import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.media.mux import Chapter, ClipPart, mux_film, read_metadata
from onestory_cli.media.video import probe, read_clip, write_clip
from tests.chapters import read_chapters

LENGTHS = {"opening": 17, "city": 1, "return": 9}


@pytest.fixture
def clips(tmp_path, make_pixels):
    """Three clips with different lengths and pictures."""
    parts = []
    for seed, (title, frames) in enumerate(LENGTHS.items()):
        path = tmp_path / f"{title}.mp4"
        write_clip(path, make_pixels(seed=seed, frames=frames), fps=8)
        parts.append(ClipPart(path=path, title=title))
    return parts


def test_film_decodes_to_the_frames_of_its_clips(tmp_path, clips):
    info = mux_film(tmp_path / "film.mp4", clips, metadata={})
    expected = np.concatenate([read_clip(part.path) for part in clips])
    assert np.array_equal(read_clip(tmp_path / "film.mp4"), expected)
    assert (info.frames, info.seconds) == (27, 27 / 8)


def test_film_is_frame_exact(tmp_path, clips):
    path = tmp_path / "film.mp4"
    mux_film(path, clips, metadata={})
    film = probe(path)
    assert (film.frames, film.width, film.height, film.fps, film.seconds) == (27, 48, 32, 8.0, 27 / 8)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.frames == 27
        assert stream.duration * stream.time_base == Fraction(27, 8)
        assert [frame.time for frame in container.decode(stream)] == pytest.approx(np.arange(27) / 8)


def test_every_shot_starts_with_a_key_frame(tmp_path, clips):
    mux_film(tmp_path / "film.mp4", clips, metadata={})
    with av.open(str(tmp_path / "film.mp4")) as container:
        keys = [index for index, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert {0, 17, 18} <= set(keys)


def test_one_chapter_per_shot(tmp_path, clips):
    info = mux_film(tmp_path / "film.mp4", clips, metadata={})
    assert info.chapters == (
        Chapter(title="opening", start=0, end=17 / 8),
        Chapter(title="city", start=17 / 8, end=18 / 8),
        Chapter(title="return", start=18 / 8, end=27 / 8),
    )
    assert read_chapters(tmp_path / "film.mp4") == info.chapters


def test_chapters_of_uneven_rates_hold_to_the_millisecond(tmp_path, make_pixels):
    parts = []
    for title in ("a", "b"):
        write_clip(tmp_path / f"{title}.mp4", make_pixels(frames=5), fps=24)
        parts.append(ClipPart(path=tmp_path / f"{title}.mp4", title=title))
    info = mux_film(tmp_path / "film.mp4", parts, metadata={})
    for read, exact in zip(read_chapters(tmp_path / "film.mp4"), info.chapters, strict=True):
        assert (read.start, read.end) == pytest.approx((exact.start, exact.end), abs=0.001)


def test_metadata_survives_unicode_and_length(tmp_path, clips):
    story = json.dumps({"caption": "a red fox 🦊 près du « phare »\n漢字\ttab" * 5000}, ensure_ascii=False)
    assert len(story.encode()) > 200_000
    metadata = {"title": "Der verlorene Drachen – 紛失", "onestory.story": story, "onestory.version": "0.1.0"}
    mux_film(tmp_path / "film.mp4", clips, metadata=metadata)
    read = read_metadata(tmp_path / "film.mp4")
    assert {key: read[key] for key in metadata} == metadata


def test_film_of_one_shot(tmp_path, clips):
    info = mux_film(tmp_path / "film.mp4", clips[:1], metadata={"title": "Alone"})
    assert np.array_equal(read_clip(tmp_path / "film.mp4"), read_clip(clips[0].path))
    assert [chapter.title for chapter in info.chapters] == ["opening"]
    assert read_chapters(tmp_path / "film.mp4") == info.chapters


def test_film_keeps_colour_tags_and_fast_start(tmp_path, clips):
    mux_film(tmp_path / "film.mp4", clips, metadata={"title": "Tagged"})
    data = (tmp_path / "film.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    with av.open(str(tmp_path / "film.mp4")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.color_primaries, codec.color_trc, codec.colorspace, codec.color_range) == (1, 1, 1, 1)


def test_same_clips_give_the_same_bytes(tmp_path, clips):
    for name in ("a.film.mp4", "b.film.mp4"):
        mux_film(tmp_path / name, clips, metadata={"title": "Twice", "onestory.story": "{}"})
    assert (tmp_path / "a.film.mp4").read_bytes() == (tmp_path / "b.film.mp4").read_bytes()


def test_clips_of_different_quality_join(tmp_path, make_pixels):
    parts, expected = [], []
    for seed, crf in enumerate((1, 16, 40)):
        path = tmp_path / f"{crf}.mp4"
        write_clip(path, make_pixels(seed=seed), fps=8, scale=2, crf=crf, filter=("nearest", "lanczos")[seed % 2])
        parts.append(ClipPart(path=path, title=f"shot-{crf}"))
        expected.append(read_clip(path))
    mux_film(tmp_path / "film.mp4", parts, metadata={})
    assert np.array_equal(read_clip(tmp_path / "film.mp4"), np.concatenate(expected))


@pytest.mark.parametrize(("change", "said"), [({"scale": 2}, "96x64"), ({"fps": 16}, "at 16 fps")])
def test_incompatible_clips_are_named(tmp_path, clips, make_pixels, change, said):
    write_clip(clips[1].path, make_pixels(), **{"fps": 8, **change})
    with pytest.raises(OnestoryError) as caught:
        mux_film(tmp_path / "film.mp4", clips, metadata={})
    assert caught.value.code == "M507"
    assert '"city"' in caught.value.message
    assert said in caught.value.message
    assert '"return"' not in caught.value.message
    assert not (tmp_path / "film.mp4").exists()


def test_clip_of_another_encoder_is_refused(tmp_path, clips, make_pixels):
    with av.open(str(clips[2].path), "w") as container:
        stream = container.add_stream("libx264", rate=8, options={"profile": "baseline"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for pixels in make_pixels():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    with pytest.raises(OnestoryError, match='"return"') as caught:
        mux_film(tmp_path / "film.mp4", clips, metadata={})
    assert caught.value.code == "M507"


def test_a_failure_keeps_the_old_film(tmp_path, clips):
    film = tmp_path / "film.mp4"
    mux_film(film, clips, metadata={})
    before = film.read_bytes()
    data = clips[1].path.read_bytes()
    clips[1].path.write_bytes(data[: len(data) // 4])
    with pytest.raises(OnestoryError, match=r"city\.mp4") as caught:
        mux_film(film, clips, metadata={})
    assert caught.value.code == "M508"
    assert film.read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_a_full_disk_keeps_the_old_film(tmp_path, clips, file_size_limit):
    film = tmp_path / "film.mp4"
    mux_film(film, clips, metadata={})
    before = film.read_bytes()
    with file_size_limit(2000), pytest.raises(OSError):  # noqa: PT011 (errno differs by system)
        mux_film(film, clips, metadata={"story": "x" * 4000})
    assert film.read_bytes() == before
    assert not list(tmp_path.glob(".*"))
