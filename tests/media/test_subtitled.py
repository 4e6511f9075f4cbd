from __future__ import annotations

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from onestory_cli.media.mux import ClipPart, mux_film
from onestory_cli.media.subtitled import Cue, add_subtitles
from onestory_cli.media.video import read_clip, write_clip
from tests.chapters import read_chapters

CUES = (
    Cue(start=Fraction(0), end=Fraction(5, 8), text="The kite -->\n{gone} & <b>lost</b>?"),
    Cue(start=Fraction(5, 8), end=Fraction(5, 4), text="Über allem"),
)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Two clips of five frames at 8 fps, joined."""
    parts = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}.mp4"
        write_clip(path, np.random.default_rng(ord(name)).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8), fps=8)
        parts.append(ClipPart(path=path, title=name))
    mux_film(tmp_path / "film.mp4", parts, metadata={"title": "Kite", "onestory": "{}"})
    return tmp_path / "film.mp4"


def test_pyav_reads_the_cues_and_the_film_is_the_same(film: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    add_subtitles(film, out, CUES)
    with av.open(str(out)) as file:
        (stream,) = file.streams.subtitles
        assert stream.codec_context.name == "mov_text"
        cues = [packet for packet in file.demux(stream) if packet.size > 2]
        assert [(cue.pts * cue.time_base, cue.duration * cue.time_base) for cue in cues] == [
            (Fraction(0), Fraction(5, 8)),
            (Fraction(5, 8), Fraction(5, 8)),
        ]
        assert [bytes(cue)[2:].decode() for cue in cues] == [cue.text for cue in CUES]
        assert (file.metadata["title"], file.metadata["onestory"]) == ("Kite", "{}")
    assert np.array_equal(read_clip(out), read_clip(film))
    assert read_chapters(out) == read_chapters(film)


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffprobe is not installed")
def test_ffprobe_finds_the_track(film: Path, tmp_path: Path) -> None:
    add_subtitles(film, tmp_path / "out.mp4", CUES)
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "s", "-show_streams", "-of", "json", tmp_path / "out.mp4"],
        capture_output=True,
        check=True,
    )
    (stream,) = json.loads(shown.stdout)["streams"]
    assert (stream["codec_name"], stream["codec_tag_string"]) == ("mov_text", "tx3g")
