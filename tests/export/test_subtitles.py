"""Both subtitle formats are read back by FFmpeg's readers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.export.cut import Cut, read_cut
from onestory_cli.export.subtitles import srt, vtt
from onestory_cli.export.write import Target, export
from onestory_cli.store.run import Run
from tests.export.conftest import SAID

SRT = f"""\
1
00:00:00,000 --> 00:00:00,625
{SAID}

2
00:00:01,750 --> 00:00:02,375
Über allem
"""
VTT = """\
WEBVTT onestory export

opening
00:00:00.000 --> 00:00:00.625
The kite --&gt;
{gone} &amp; &lt;b&gt;lost&lt;/b&gt;?

return
00:00:01.750 --> 00:00:02.375
Über allem
"""


def test_text_of_srt_and_vtt(cut: Cut) -> None:
    assert (srt(cut), vtt(cut)) == (SRT, VTT)


@pytest.mark.parametrize("target", [Target.SRT, Target.VTT])
def test_ffmpeg_reads_every_cue_at_its_time(cut: Cut, tmp_path: Path, target: Target) -> None:
    path = tmp_path / f"film.{target}"
    export(cut, target, path)
    with av.open(str(path)) as file:
        stream = file.streams.subtitles[0]
        cues = [packet for packet in file.demux(stream) if packet.size]
        times = [(float(cue.pts * cue.time_base), float(cue.duration * cue.time_base)) for cue in cues]
        texts = [bytes(cue).decode() for cue in cues]
    assert times == [(0.0, 0.625), (1.75, 0.625)]
    assert texts[0].startswith("The kite --")
    assert texts[1] == "Über allem"


def test_a_film_without_subtitles_is_refused(cut: Cut) -> None:
    silent = replace(cut, shots=tuple(replace(shot, subtitle="") for shot in cut.shots))
    for write in (srt, vtt):
        with pytest.raises(OnestoryError) as caught:
            write(silent)
        assert caught.value.code == "X803"


def test_a_subtitle_track_is_added_to_the_film(cut: Cut, tmp_path: Path) -> None:
    path = tmp_path / "film.subtitled.mp4"
    export(cut, Target.MP4, path)
    with av.open(str(path)) as file:
        cues = [packet for packet in file.demux(file.streams.subtitles[0]) if packet.size > 2]
        assert [float(cue.pts * cue.time_base) for cue in cues] == [0.0, 1.75]
        assert [bytes(cue)[2:].decode() for cue in cues] == [SAID, "Über allem"]


def test_an_incomplete_film_gets_no_subtitle_track(cut: Cut, run: Path, tmp_path: Path) -> None:
    (run / "film.mp4").write_bytes(b"")
    with pytest.raises(OnestoryError) as caught:
        export(read_cut(Run.open(run)), Target.MP4, tmp_path / "out.mp4")
    assert caught.value.code == "X805"
