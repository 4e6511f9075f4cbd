"""A film measured by real networks at toy size: unknown values are None."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from onestory_cli.evaluation.videos.alignment import Aligner
from onestory_cli.evaluation.videos.films import Clip, MeasuredFilm
from onestory_cli.evaluation.videos.likeness import Embedder
from onestory_cli.evaluation.videos.measure import FRAMES, VideoNetworks
from onestory_cli.evaluation.videos.result import VideoResult
from onestory_cli.evaluation.videos.run import measure_film
from onestory_cli.media.video import write_clip
from onestory_cli.models.detection import CharacterDetector
from tests.evaluation.videos.conftest import picture

RED, BLUE = (200, 30, 30), (30, 30, 200)


@pytest.fixture
def film(tmp_path: Path) -> MeasuredFilm:
    """A fox twice in one place, an empty shot elsewhere, and the fox with a robot."""
    shots = {
        "opening": (RED, ("fox",), ("beach",)),
        "city": (BLUE, (), ("city",)),
        "return": (RED, ("fox",), ("beach",)),
        "both": (BLUE, ("fox", "robot"), ("city",)),
    }
    for name, (colour, _, _) in shots.items():
        noise = np.stack([picture(index) // 8 for index in range(9)])
        write_clip(tmp_path / f"{name}.mp4", (noise + np.array(colour, np.uint8)).astype(np.uint8), fps=8)
    clips = [
        Clip(shot=name, path=tmp_path / f"{name}.mp4", caption=f"a {name}", characters=who, settings=where)
        for name, (_, who, where) in shots.items()
    ]
    return MeasuredFilm(name="film", clips=tuple(clips), looks={"fox": "a red fox", "robot": "a robot"})


def measured(film: MeasuredFilm, **networks: object) -> VideoResult:
    return measure_film(film, VideoNetworks(**networks))  # type: ignore[arg-type]


def test_every_network_measures_and_counts(
    film: MeasuredFilm, embedder: Embedder, sure_of_all: CharacterDetector, aligner: Aligner
) -> None:
    result = measured(film, embedder=embedder, detector=sure_of_all, aligner=aligner)
    assert {name: (item.n, item.of) for name, item in result.scores.items()} == {
        "character consistency": (1, 1),  # the robot appears once
        "environment consistency": (2, 2),
        "caption alignment": (4, 4),
        "subject consistency": (4, 4),
        "background consistency": (4, 4),
        "dynamic degree": (4, 4),
        "colour drift within shots": (4, 4),
        "colour drift of settings": (2, 2),
        "stray cuts": (4, 4),
        "flashes": (4, 4),
    }
    for name in ("character consistency", "environment consistency", "subject consistency"):
        value = result.scores[name].value
        assert value is not None
        assert -1 <= value <= 1 + 1e-6
    opening, city, *_ = result.shots
    assert (opening.found, city.found) == ({"fox": FRAMES}, {})
    assert [(item.id, item.shots, item.found) for item in result.characters] == [("fox", 3, 3), ("robot", 1, 1)]


@pytest.mark.slow
def test_missing_character_is_none_not_zero(
    film: MeasuredFilm, embedder: Embedder, sure_of_none: CharacterDetector
) -> None:
    result = measured(film, embedder=embedder, detector=sure_of_none)
    fox, robot = result.characters
    assert [item.identity for item in result.shots] == [{"fox": None}, {}, {"fox": None}, {"fox": None, "robot": None}]
    assert (fox.likeness, fox.found, fox.shots, robot.likeness) == (None, 0, 3, None)
    character = result.scores["character consistency"]
    assert (character.value, character.n, character.of) == (None, 0, 1)
    # a background is known only if all characters in front of it are found: in the empty shot
    assert [item.background is None for item in result.shots] == [True, False, True, True]
    assert [(item.id, item.found, item.likeness) for item in result.settings] == [("beach", 0, None), ("city", 1, None)]


@pytest.mark.slow
def test_without_detector_characters_are_not_reported_missing(
    film: MeasuredFilm, embedder: Embedder, sure_of_all: CharacterDetector
) -> None:
    half = (measured(film), measured(film, detector=sure_of_all), measured(film, embedder=embedder))
    for result in half:
        assert [item.found for item in result.characters] == [None, None]
        assert [item.identity for item in result.shots] == [{}] * 4
    blind, finds, likes = half
    assert [item.found for item in blind.settings] == [item.found for item in finds.settings] == [None, None]
    # without a detector, a background is known only in the empty shot
    assert [(item.id, item.found) for item in likes.settings] == [("beach", None), ("city", 1)]
    assert finds.shots[0].found == {"fox": FRAMES}


def test_identical_shots_are_perfectly_similar(
    film: MeasuredFilm, embedder: Embedder, sure_of_all: CharacterDetector
) -> None:
    first = film.clips[0]
    twice = MeasuredFilm(name="twice", clips=(first, first), looks=film.looks)
    result = measured(twice, embedder=embedder, detector=sure_of_all)
    assert result.characters[0].likeness == pytest.approx(1, abs=1e-5)
    assert result.settings[0].likeness == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_identity_is_similarity_to_first_shot_of_the_character(
    film: MeasuredFilm, embedder: Embedder, sure_of_all: CharacterDetector
) -> None:
    opening, city, again, both = measured(film, embedder=embedder, detector=sure_of_all).shots
    assert (opening.identity, city.identity) == ({"fox": pytest.approx(1, abs=1e-5)}, {})
    assert again.identity["fox"] == pytest.approx(1, abs=1e-2)  # the same picture
    assert (both.identity["fox"] or 0) < (again.identity["fox"] or 0)
    assert both.identity["robot"] == pytest.approx(1, abs=1e-5)
    assert opening.clip == again.clip != city.clip == both.clip  # SHA-256 of the files


def test_different_places_are_less_similar(
    film: MeasuredFilm, embedder: Embedder, sure_of_all: CharacterDetector
) -> None:
    result = measured(film, embedder=embedder, detector=sure_of_all)
    opening, city, again, _ = film.clips
    alike = {clip.shot: Clip(shot=clip.shot, path=clip.path, settings=("place",)) for clip in (opening, city, again)}
    same = measured(MeasuredFilm(name="a", clips=(alike["opening"], alike["return"])), embedder=embedder)
    other = measured(MeasuredFilm(name="b", clips=(alike["opening"], alike["city"])), embedder=embedder)
    assert (same.settings[0].likeness or 0) > (other.settings[0].likeness or 0)
    assert result.settings[0].found == 2


def test_pixel_measures_need_no_networks(film: MeasuredFilm) -> None:
    result = measured(film)
    unknown = {name for name, score in result.scores.items() if score.value is None}
    assert unknown == {
        "character consistency",
        "environment consistency",
        "caption alignment",
        "subject consistency",
        "background consistency",
    }
    assert (result.scores["stray cuts"].value, result.scores["flashes"].value) == (0, 0)
    assert all(item.found == {} and item.motion is not None for item in result.shots)
    assert result.provenance["networks"] == {"embedder": None, "detector": None, "aligner": None}


@pytest.mark.slow
def test_colour_drift_is_measured_from_first_shot_of_a_setting(film: MeasuredFilm) -> None:
    opening, city, again, _ = (replace(clip, settings=("place",), characters=()) for clip in film.clips)
    kept = measured(MeasuredFilm(name="kept", clips=(opening, again)))
    lost = measured(MeasuredFilm(name="lost", clips=(opening, city)))
    assert (kept.settings[0].drift or 0) < 1
    assert (lost.settings[0].drift or 0) > 50
    assert measured(MeasuredFilm(name="once", clips=(opening,))).settings[0].drift is None


def test_cut_and_flash_are_reported_with_their_frames(tmp_path: Path) -> None:
    one, two = (np.full((48, 64, 3), colour, np.uint8) for colour in (RED, BLUE))
    frames = np.stack([one] * 6 + [two] * 6 + [two + 90] + [two] * 5)
    write_clip(tmp_path / "a.mp4", frames, fps=8)
    result = measured(MeasuredFilm(name="film", clips=(Clip(shot="a", path=tmp_path / "a.mp4"),)))
    assert (result.shots[0].cuts, result.shots[0].flashes) == ((6,), (12,))
    assert (result.scores["stray cuts"].value, result.scores["flashes"].value) == (1, 1)


@pytest.mark.slow
def test_clips_without_a_story_have_no_captions_and_names(
    film: MeasuredFilm, embedder: Embedder, aligner: Aligner, sure_of_all: CharacterDetector
) -> None:
    bare = MeasuredFilm(name="bare", clips=tuple(Clip(shot=clip.shot, path=clip.path) for clip in film.clips))
    result = measured(bare, embedder=embedder, detector=sure_of_all, aligner=aligner)
    assert result.scores["caption alignment"].value is None
    assert (result.characters, result.settings) == ((), ())
    assert result.scores["subject consistency"].n == 4
