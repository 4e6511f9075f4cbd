from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.media.mux import ClipPart, mux_film
from onestory_cli.media.sound import BLOCK, RATE, Track, length_of, mix
from onestory_cli.media.video import probe, read_clip, write_clip
from tests.sounds import loudness, sound_of_film, tone, write_sound

SINE = 0.25 / np.sqrt(2)  # the RMS of the tone


def mixed(*tracks: Track, seconds: float) -> np.ndarray:
    return np.concatenate([*mix(tracks, round(seconds * RATE))])


def track(path: Path, begin: float = 0, limit: float = 10, **fields: object) -> Track:
    return Track(path=path, begin=round(begin * RATE), limit=round(limit * RATE), **fields)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_any_rate_in_mono_and_stereo_keeps_length_and_level(tmp_path: Path, rate: int, channels: int) -> None:
    path = write_sound(tmp_path / "tone.wav", tone(1.3, rate=rate, channels=channels), rate=rate)
    assert length_of(path, 10 * RATE) == pytest.approx(1.3 * RATE, abs=2)
    sound = mixed(track(path, 0.25), seconds=2)
    assert sound.shape == (2 * RATE, 2)
    assert sound.dtype == np.float32
    assert loudness(sound, 0, 0.249) == 0
    assert loudness(sound, 0.3, 1.5) == pytest.approx(SINE, rel=0.02)
    assert loudness(sound, 1.56, 2) == 0


def test_a_sound_is_cut_at_its_limit_and_begins_to_the_sample(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "one.wav", np.ones((RATE, 2)) * 0.5)
    sound = mixed(track(path, 0.5, 0.75), seconds=1)
    (heard,) = np.nonzero(sound[:, 0])
    assert (heard[0], heard[-1]) == (RATE // 2, RATE * 3 // 4 - 1)


def test_blocks_join_without_a_seam(tmp_path: Path) -> None:
    samples = tone(2.5)
    path = write_sound(tmp_path / "tone.flac", samples)
    sound = mixed(track(path), seconds=2.5)
    assert len(sound) > 2 * BLOCK
    assert np.abs(sound - samples).max() < 2 / 32767


def test_gain_fades_and_ducking(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "tone.wav", tone(6))
    half = mixed(track(path, gain_db=-6.0206), seconds=6)
    assert loudness(half, 1, 2) == pytest.approx(SINE / 2, rel=0.01)
    faded = mixed(track(path, fade_in=RATE, fade_out=2 * RATE), seconds=6)
    assert loudness(faded, 0, 0.05) < 0.05 * SINE
    assert loudness(faded, 0.45, 0.55) == pytest.approx(SINE / 2, rel=0.05)
    assert loudness(faded, 4.95, 5.05) == pytest.approx(SINE / 2, rel=0.05)
    ducked = mixed(track(path, ducked=((2 * RATE, 3 * RATE),)), seconds=6)
    assert loudness(ducked, 0.5, 1.7) == pytest.approx(SINE, rel=0.01)
    assert loudness(ducked, 2, 3) == pytest.approx(SINE * 10 ** (-12 / 20), rel=0.01)
    assert loudness(ducked, 3.6, 5) == pytest.approx(SINE, rel=0.01)


def test_a_loud_mix_stays_within_bounds(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "tone.wav", tone(1, level=0.9))
    sound = mixed(track(path, gain_db=12), track(path), seconds=1)
    assert np.abs(sound).max() == 1


def test_a_film_with_sound_has_the_same_pictures_and_the_same_length(tmp_path: Path, make_pixels) -> None:
    clips = [ClipPart(path=tmp_path / f"{name}.mp4", title=name) for name in ("a", "b")]
    for part in clips:
        write_clip(part.path, make_pixels(frames=17), fps=8)
    path = write_sound(tmp_path / "tone.wav", tone(9))
    for name in ("film", "again"):
        blocks = mix([track(path, 17 / 8, 34 / 8)], round(34 / 8 * RATE))
        mux_film(tmp_path / f"{name}.mp4", clips, metadata={"title": "T"}, sound=blocks)
    mux_film(tmp_path / "silent.mp4", clips, metadata={"title": "T"})
    assert np.array_equal(read_clip(tmp_path / "film.mp4"), read_clip(tmp_path / "silent.mp4"))
    assert probe(tmp_path / "film.mp4") == probe(tmp_path / "silent.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == (tmp_path / "again.mp4").read_bytes()
    sound = sound_of_film(tmp_path / "film.mp4")
    assert len(sound) == pytest.approx(34 / 8 * RATE, abs=1024)
    assert loudness(sound, 0, 17 / 8 - 0.03) < 0.001
    assert loudness(sound, 17 / 8 + 0.03, 34 / 8 - 0.03) == pytest.approx(SINE, rel=0.03)
    (heard,) = np.nonzero(np.abs(sound[:, 0]) > 0.1)
    assert heard[0] / RATE == pytest.approx(17 / 8, abs=0.005)


def test_a_file_without_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp3"
    path.write_bytes(b"no sound at all" * 100)
    with pytest.raises(OnestoryError) as caught:
        length_of(path, 1)
    assert caught.value.code == "M516"
