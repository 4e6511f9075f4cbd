"""Sounds in exports, read back by independent readers."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import opentimelineio
import pytest

from onestory_cli.export.cut import Cut, read_cut
from onestory_cli.export.fcpxml import fcpxml
from onestory_cli.export.sounds import sound_warnings
from onestory_cli.export.target import Target
from onestory_cli.export.timeline import edl, otio
from onestory_cli.export.write import export
from onestory_cli.planning.compile import compile_story
from onestory_cli.store.run import Run
from tests.commands.conftest import change
from tests.films import render_with
from tests.sounds import sound_of_film, tone, write_sound

LENGTH = 19 / 8  # seconds of the film; the shots begin at frames 0, 5 and 14


@pytest.fixture
def cut_with_sound(subtitled: Path) -> Cut:
    """Three shots with fading music, narration in the second one, and an effect that starts after the film."""
    write_sound(subtitled.with_name("music.flac"), tone(30, hertz=220))
    write_sound(subtitled.with_name("words.wav"), tone(1, hertz=880, channels=1))
    change(
        subtitled, "A city at night.", "A city at night.\n    audio: {file: words.wav, role: narration, offset: 0.125s}"
    )
    change(subtitled, "waves on $beach.", "waves on $beach.\n    audio: {file: words.wav, offset: 60s}")
    music = "audio: {file: music.flac, gain: -6, fade_in: 1s, fade_out: 0.5s}\n"
    subtitled.write_text(subtitled.read_text() + music)
    plan, _ = compile_story(subtitled)
    render_with(plan, subtitled.with_name("film.run"))
    return read_cut(Run.open(subtitled.with_name("film.run")))


def test_otio_has_a_track_for_each_sound_that_overlaps(cut_with_sound: Cut) -> None:
    timeline = opentimelineio.adapters.read_from_string(otio(cut_with_sound), "otio_json")
    music, words = timeline.audio_tracks()
    assert [type(item).__name__ for item in (*music, *words)] == ["Clip", "Gap", "Clip"]
    assert music[0].duration().to_seconds() == pytest.approx(LENGTH)
    assert words.range_of_child_at_index(1).start_time.to_seconds() == pytest.approx(6 / 8)
    assert words[1].duration().to_seconds() == pytest.approx(1)
    for clip, sound in zip((music[0], words[1]), cut_with_sound.sounds, strict=True):
        assert clip.media_reference.target_url == sound.path.resolve().as_uri()
        assert sound.path.is_file()
    assert music[0].metadata["onestory"]["gain"] == -6
    assert timeline.duration().to_seconds() == pytest.approx(LENGTH)


def test_fcpxml_connects_sounds_with_gain_and_fades(cut_with_sound: Cut) -> None:
    root = ElementTree.fromstring(fcpxml(cut_with_sound))
    opening, city, back = root.findall("project/sequence/spine/asset-clip")
    (music,), (words,) = opening.findall("asset-clip"), city.findall("asset-clip")
    assert (music.get("offset"), music.get("lane"), music.get("duration")) == ("0s", "-1", "19/8s")
    assert (words.get("offset"), words.get("lane"), words.get("duration")) == ("1/8s", "-2", "8/8s")
    volume = music.find("adjust-volume")
    assert volume is not None
    assert volume.get("amount") == "-6dB"
    assert [(item.tag, item.get("duration")) for item in volume.iterfind("param/*")] == [
        ("fadeIn", "1s"),
        ("fadeOut", "1/2s"),
    ]
    assert [item.tag for item in opening] == ["asset-clip", "marker"]
    assert not back.findall("asset-clip")
    sources = {asset.get("id"): asset.get("src") for asset in root.iter("asset") if asset.get("hasAudio")}
    assert [sources[item.get("ref")] for item in (music, words)] == [
        sound.path.resolve().as_uri() for sound in cut_with_sound.sounds
    ]


def test_prores_has_the_mix_as_pcm(cut_with_sound: Cut, tmp_path: Path) -> None:
    export(cut_with_sound, Target.PRORES, tmp_path / "film.mov")
    with av.open(str(tmp_path / "film.mov")) as film:
        (stream,) = film.streams.audio
        assert (stream.codec_context.name, stream.rate, stream.channels) == ("pcm_s24le", 48_000, 2)
        blocks = [frame.to_ndarray().reshape(-1, 2) / 2**31 for frame in film.decode(audio=0)]
    samples = np.concatenate(blocks)
    assert len(samples) == LENGTH * 48_000
    of_film = sound_of_film(cut_with_sound.run / "film.mp4")[: len(samples)]
    assert np.abs(samples[: len(of_film)] - of_film).max() < 0.05  # AAC is not exact


def test_a_film_without_sound_has_none_in_its_exports(cut: Cut, tmp_path: Path) -> None:
    assert cut.sounds == ()
    assert not opentimelineio.adapters.read_from_string(otio(cut), "otio_json").audio_tracks()
    export(cut, Target.PRORES, tmp_path / "film.mov")
    with av.open(str(tmp_path / "film.mov")) as film:
        assert not film.streams.audio
    assert not sound_warnings(cut, Target.EDL)


def test_sounds_that_a_timeline_cannot_hold_are_reported(cut_with_sound: Cut) -> None:
    assert [item.code for item in sound_warnings(cut_with_sound, Target.OTIO)] == ["W802", "W802"]
    assert [item.code for item in sound_warnings(cut_with_sound, Target.FCPXML)] == ["W802"]
    assert [item.code for item in sound_warnings(cut_with_sound, Target.EDL)] == ["W802"]
    assert sound_warnings(cut_with_sound, Target.PRORES) == ()
    assert "music" not in edl(cut_with_sound)
