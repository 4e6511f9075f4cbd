"""Timelines are read back by OpenTimelineIO and its EDL adapter."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import opentimelineio
import pytest
from opentimelineio.opentime import RationalTime

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.export.cut import Cut
from onestory_cli.export.timeline import edl, otio, timecode_rate
from onestory_cli.export.write import Target, export


def test_shots_are_clips_with_their_takes_as_media(cut: Cut, tmp_path: Path) -> None:
    export(cut, Target.OTIO, tmp_path / "film.otio")
    timeline = opentimelineio.adapters.read_from_file(str(tmp_path / "film.otio"))
    clips = timeline.find_clips()
    assert (timeline.name, [clip.name for clip in clips]) == ("The Lost Kite", ["opening", "city", "return"])
    assert [clip.duration() for clip in clips] == [RationalTime(frames, 8) for frames in (5, 9, 5)]
    assert timeline.duration() == RationalTime(19, 8)
    for clip, shot in zip(clips, cut.shots, strict=True):
        assert clip.media_reference.target_url == shot.take.clip.resolve().as_uri()
        assert clip.media_reference.available_range == clip.source_range
        urls = {reference.target_url for reference in clip.media_references().values()}
        assert urls == {take.clip.resolve().as_uri() for take in shot.takes}


def test_captions_are_markers(cut: Cut) -> None:
    clips = opentimelineio.adapters.read_from_string(otio(cut), "otio_json").find_clips()
    assert [[marker.comment for marker in clip.markers] for clip in clips] == [[shot.caption] for shot in cut.shots]
    assert clips[2].metadata["onestory"]["subtitle"] == "Über allem"
    assert "subtitle" not in clips[1].metadata["onestory"]


def test_edl_timecodes_are_exact(cut: Cut, tmp_path: Path) -> None:
    export(cut, Target.EDL, tmp_path / "film.edl")
    timeline = opentimelineio.adapters.read_from_file(str(tmp_path / "film.edl"), rate=24)
    (track,) = timeline.video_tracks()
    assert [clip.name for clip in track] == ["opening", "city", "return"]
    assert [track.range_of_child(clip).start_time for clip in track] == [RationalTime(at, 24) for at in (0, 15, 42)]
    assert [clip.duration() for clip in track] == [RationalTime(frames, 24) for frames in (15, 27, 15)]
    assert [len(clip.markers) for clip in track] == [1, 1, 1]
    assert [clip.media_reference.target_url for clip in track] == [
        shot.take.clip.resolve().as_uri() for shot in cut.shots
    ]


def test_edl_locators_are_at_the_times_of_the_film(cut: Cut) -> None:
    lines = edl(cut).splitlines()
    starts = [line.split()[6] for line in lines if line[:3].isdigit()]
    assert [line.split()[2] for line in lines if line.startswith("* LOC")] == starts
    assert len(set(starts)) == len(cut.shots)


def test_reels_have_unique_names(cut: Cut) -> None:
    events = [line.split()[1] for line in edl(cut).splitlines() if line[:3].isdigit()]
    assert events == ["S0001", "S0002", "S0003"]


@pytest.mark.parametrize(("fps", "rate"), [(8, 24), (16, 48), (24, 24), (25, 25), (15, 30), (12, 24), (20, 60)])
def test_the_timecode_that_keeps_every_cut(fps: int, rate: int) -> None:
    assert timecode_rate(fps) == rate
    assert RationalTime.is_valid_timecode_rate(rate)


def test_a_rate_without_a_timecode_is_refused(cut: Cut) -> None:
    with pytest.raises(OnestoryError) as caught:
        edl(replace(cut, fps=7))
    assert (caught.value.code, caught.value.exit) == ("X804", ExitCode.FINDINGS)


def test_a_missing_library_names_the_extra(cut: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentimelineio", None)
    with pytest.raises(OnestoryError) as caught:
        otio(cut)
    assert (caught.value.code, caught.value.exit) == ("X802", ExitCode.MACHINE)
    assert "onestory[export]" in caught.value.help
