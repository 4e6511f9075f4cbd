"""Embeddings of true frames: similar exactly where the story says so."""

from __future__ import annotations

import numpy as np
import pytest

from onestory_cli.evaluation.embeddings import View, likeness
from onestory_cli.evaluation.readout import Readout
from onestory_cli.storyworld.benchmark import SUBJECT, pattern_story
from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.world import WorldConfig, WorldStory

WORLD = WorldConfig(species=("fox", "bear"), colours=("red", "green", "blue"))
STORIES = [pattern_story(7_000_000 + index, WORLD, pattern=SUBJECT) for index in range(3)]


@pytest.fixture(scope="module")
def films(readout: Readout) -> list[list[View]]:
    return [readout.view(_pixels(story)) for story in STORIES]


def _pixels(story: WorldStory) -> np.ndarray:
    return np.stack([render_shot(shot, WORLD).pixels_THWC for shot in story.shots])


def test_character_is_closer_to_itself_than_to_another_of_its_species(films: list[list[View]]) -> None:
    tracks = [
        (story.shots[0].actors[0].look, [view.characters[story.shots[0].actors[0].look.species] for view in film])
        for story, film in zip(STORIES, films, strict=True)
    ]
    same = [likeness(track[0], other) for _, track in tracks for other in track[1:]]
    strangers = [
        likeness(one, two)
        for look, track in tracks
        for other, others in tracks
        if other.colour != look.colour
        for one in track
        for two in others
        if other.species == look.species
    ]
    assert np.mean(same) > 0.85
    assert strangers
    assert np.mean(strangers) < np.mean(same) - 0.2


def test_same_place_is_closer_than_another(films: list[list[View]]) -> None:
    same, other = [], []
    for story, film in zip(STORIES, films, strict=True):
        for one in range(6):
            for two in range(one):
                pairs = same if story.shots[one].place == story.shots[two].place else other
                pairs.append(likeness(film[one].place, film[two].place))
    assert np.mean(same) > np.mean(other) + 0.1


def test_embeddings_have_unit_length(films: list[list[View]]) -> None:
    for view in films[0]:
        assert view.characters
        for embedding in (view.place, *view.characters.values()):
            assert likeness(embedding, embedding) == pytest.approx(1, abs=1e-5)


def test_frozen_clip_is_consistent_and_has_no_motion(readout: Readout) -> None:
    clip = _pixels(STORIES[0])[:1]
    frozen = np.repeat(clip[:, :1], 5, axis=1)
    (view,) = readout.view(frozen)
    assert view.motion == 0
    assert (view.subject, view.background) == (pytest.approx(1, abs=1e-5), pytest.approx(1, abs=1e-5))


def test_motion_distinguishes_walking_from_standing(readout: Readout, films: list[list[View]]) -> None:
    by_action = {"stands": [], "walks": []}
    for story, film in zip(STORIES, films, strict=True):
        for shot, view in zip(story.shots, film, strict=True):
            by_action.setdefault(shot.actors[0].action.split()[0], []).append(view.motion)
    assert max(by_action["stands"], default=0) < 0.3 < min(by_action["walks"])


def test_one_frame_is_enough(readout: Readout) -> None:
    (view,) = readout.view(_pixels(STORIES[0])[:1, :1])
    assert (view.motion, view.background) == (0, 1)
