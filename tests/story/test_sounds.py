"""Sounds are decoded once before any work, with the reader for their content."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.media.sound import length_of
from onestory_cli.story import sounds
from onestory_cli.story.sounds import SoundCheck, reader_of
from tests.sounds import RATE, tone, write_sound


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONESTORY_CACHE_DIR", str(tmp_path / "cache"))


def message(file: Path) -> str:
    finding = SoundCheck()(file, f'"{file.name}"')
    return finding.message if finding else ""


def encoded(path: Path, codec: str, *, format: str | None = None) -> Path:
    """A second of a tone as a compressed file."""
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=RATE, layout="stereo")
        for start in range(0, RATE, 1024):
            part = tone(1.0)[start : start + 1024]
            frame = av.AudioFrame.from_ndarray(part.T.copy(), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def float_wav(path: Path, samples_N2: np.ndarray) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(samples_N2.astype(np.float32).reshape(1, -1), format="flt", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_numbers(tmp_path: Path, value: float) -> None:
    samples_N2 = tone(0.5)
    samples_N2[-1] = value
    file = float_wav(tmp_path / "wind.wav", samples_N2)
    assert message(file).startswith('"wind.wav" has samples that are not numbers, first at 0.')
    with pytest.raises(OnestoryError) as caught:
        length_of(file, RATE)
    assert caught.value.code == "M516"


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_sound_that_is_cut_off(tmp_path: Path, suffix: str) -> None:
    noise_N2 = np.random.default_rng(0).uniform(-0.5, 0.5, (RATE, 2)).astype(np.float32)
    file = write_sound(tmp_path / f"wind.{suffix}", noise_N2)
    assert message(file) == ""
    file.write_bytes(file.read_bytes()[:60_000])
    assert ("is cut off: 0.3 s of 1.0 s" in message(file)) or ("is damaged" in message(file))


@pytest.mark.parametrize(
    ("name", "codec", "format", "reader"),
    [
        ("song.wav", "mp3", "mp3", "mp3"),
        ("song.mp3", "flac", "flac", "flac"),
        ("song.flac", "libopus", "ogg", "ogg"),
        ("song.ogg", "aac", "mp4", "mov"),
        ("song.m4a", "aac", "adts", "aac"),
    ],
)
def test_content_decides_over_the_suffix(tmp_path: Path, name: str, codec: str, format: str, reader: str) -> None:
    if codec == "flac":
        write_sound(tmp_path / "song.flac", tone(1.0)).rename(tmp_path / name)
    else:
        encoded(tmp_path / name, codec, format=format)
    assert (reader_of(tmp_path / name), message(tmp_path / name)) == (reader, "")
    assert length_of(tmp_path / name, 10 * RATE) == pytest.approx(RATE, rel=0.06)


@pytest.mark.parametrize(("suffix", "reader"), [(".aac", "aac"), (".flac", "flac"), (".wav", "mp3")])
def test_a_tag_before_the_sound(tmp_path: Path, suffix: str, reader: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(b"ID3\x04\0\0\0\0\0\0")
    assert reader_of(tmp_path / f"a{suffix}") == reader


def test_a_sound_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_sound(tmp_path / "wind.wav", tone(0.1))
    assert message(file) == ""
    monkeypatch.setattr(sounds, "open_sound", None)
    assert message(file) == ""


def test_decoding_is_bounded_per_story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "MAX_DECODED_SECONDS", 0.2)
    samples_N2 = tone(0.5)
    samples_N2[-1] = np.nan
    file = float_wav(tmp_path / "wind.wav", samples_N2)
    assert message(file) == ""
    monkeypatch.undo()
    monkeypatch.setenv("ONESTORY_CACHE_DIR", str(tmp_path / "cache"))
    assert "not numbers" in message(file)  # what was not decoded whole is not remembered


def test_many_samples_in_a_short_time_count_as_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "MAX_DECODED_SECONDS", 1.0)
    check = SoundCheck()
    file = tmp_path / "dense.wav"
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(8)
        sound.setsampwidth(2)
        sound.setframerate(655_350)
        sound.writeframes(bytes(16 * 65_535))  # a tenth of a second
    assert check(file, '"dense.wav"') is None
    monkeypatch.setattr(sounds, "_is_finite", lambda frame: False)
    assert check(file, '"dense.wav"') is not None  # it was not decoded whole, so it is not remembered
