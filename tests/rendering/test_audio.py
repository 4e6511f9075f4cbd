"""Sound in a film has the right times and levels, and never makes a shot render again."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from onestory_cli.media.mux import read_metadata
from onestory_cli.planning.jobs import Plan
from onestory_cli.rendering.join import Provenance
from onestory_cli.store.run import Run
from onestory_cli.story.types import Audio
from tests.films import plan_of, render_with, shot
from tests.sounds import loudness, sound_of_film, tone, write_sound

SINE = 0.25 / np.sqrt(2)
SHOT = 17 / 8  # seconds


def film_plan(folder: Path, *, story: Audio | None = None, **shots: Audio | None) -> Plan:
    """Three shots of 17 frames, with sounds."""
    ids = ("opening", "city", "return")
    return plan_of(*(shot(id, frames=17, audio=shots.get(id)) for id in ids), folder=folder, audio=story)


@pytest.fixture
def music(tmp_path: Path) -> Audio:
    write_sound(tmp_path / "music.flac", tone(30, hertz=220, rate=44_100), rate=44_100)
    return Audio(file="music.flac", role="music")


@pytest.fixture
def words(tmp_path: Path) -> Audio:
    write_sound(tmp_path / "words.wav", tone(1, hertz=880, rate=22_050, channels=1), rate=22_050)
    return Audio(file="words.wav", role="narration", offset=0.5)


def film_of(plan: Plan, path: Path) -> np.ndarray:
    render_with(plan, path)
    return sound_of_film(path / "film.mp4")


def test_sound_of_a_shot_stays_within_the_shot(tmp_path: Path) -> None:
    write_sound(tmp_path / "long.wav", tone(30))
    sound = film_of(film_plan(tmp_path, city=Audio(file="long.wav", role="effect")), tmp_path / "run")
    assert len(sound) == pytest.approx(3 * SHOT * 48_000, abs=1024)
    (heard,) = np.nonzero(np.abs(sound[:, 0]) > 0.1)
    assert heard[0] / 48_000 == pytest.approx(SHOT, abs=0.005)
    assert heard[-1] / 48_000 == pytest.approx(2 * SHOT, abs=0.005)
    assert loudness(sound, SHOT + 0.05, 2 * SHOT - 0.05) == pytest.approx(SINE, rel=0.03)


def test_music_ducks_under_speech_and_ends_with_the_film(tmp_path: Path, music: Audio, words: Audio) -> None:
    sound = film_of(film_plan(tmp_path, story=music, city=words), tmp_path / "run")
    spoken = SHOT + 0.5
    assert loudness(sound, 0.1, spoken - 0.3) == pytest.approx(SINE, rel=0.03)
    both = np.hypot(SINE, SINE * 10 ** (-12 / 20))
    assert loudness(sound, spoken + 0.05, spoken + 0.95) == pytest.approx(both, rel=0.03)
    assert loudness(sound, spoken + 1.6, 3 * SHOT - 0.05) == pytest.approx(SINE, rel=0.03)
    assert len(sound) == pytest.approx(3 * SHOT * 48_000, abs=1024)


@pytest.mark.slow
def test_new_sound_joins_the_film_again_without_rendering(tmp_path: Path, music: Audio, words: Audio) -> None:
    run = tmp_path / "run"
    render_with(film_plan(tmp_path), run)
    films = [(run / "film.mp4").read_bytes()]
    softer = Audio(file="music.flac", role="music", gain=-6)
    for changed in (film_plan(tmp_path, story=music), film_plan(tmp_path, story=softer), film_plan(tmp_path)):
        assert render_with(changed, run).made == []
        films.append((run / "film.mp4").read_bytes())
    assert films[0] == films[3]
    assert len(set(films)) == 3
    render_with(film_plan(tmp_path, story=music), run)
    write_sound(tmp_path / "music.flac", tone(30, hertz=300))
    assert render_with(film_plan(tmp_path, story=music), run).made == []
    assert (run / "film.mp4").read_bytes() not in films


def test_run_and_provenance_keep_the_sound(tmp_path: Path, music: Audio, words: Audio) -> None:
    plan = film_plan(tmp_path, story=music, city=words)
    render_with(plan, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    recipe = Provenance.from_metadata(read_metadata(run.film))
    assert sorted(Path(name).suffix for name in recipe.files) == [".flac", ".wav"]
    assert all((run.path / name).is_file() for name in recipe.files)
    assert "role: narration" in recipe.story
    assert "offset: 0.500000s" in recipe.story
    assert "words.wav" not in recipe.story


def test_sound_beyond_its_shot_is_cut(tmp_path: Path, words: Audio) -> None:
    late = Audio(file="words.wav", role="narration", offset=60)
    assert np.abs(film_of(film_plan(tmp_path, city=late), tmp_path / "run")).max() == 0


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs ffprobe")
def test_an_independent_reader_finds_both_streams_of_one_length(tmp_path: Path, music: Audio) -> None:
    render_with(film_plan(tmp_path, story=music), tmp_path / "run")
    command = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(tmp_path / "run" / "film.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    video, audio = json.loads(done.stdout)["streams"][:2]
    assert (video["codec_name"], audio["codec_name"], done.stderr) == ("h264", "aac", "")
    assert (audio["sample_rate"], audio["channels"]) == ("48000", 2)
    assert float(audio["duration"]) == pytest.approx(float(video["duration"]), abs=0.022)
