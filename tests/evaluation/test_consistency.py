"""The measures of perfect films, and of films with one fault."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from onestory_cli.evaluation.consistency import (
    ALIGNMENT,
    CHARACTER,
    DRIFT_CHARACTER,
    DRIFT_COLOUR,
    DYNAMIC,
    ENVIRONMENT,
    FOUND,
    MEASURES,
    SUBJECT,
    measures_at,
)
from onestory_cli.evaluation.embeddings import View
from onestory_cli.storyworld.stories import gap_story
from onestory_cli.storyworld.world import WorldStory
from tests.evaluation.conftest import WORLD, viewed

STORY = gap_story(3, WORLD, gap=2)
SPECIES = STORY.shots[0].actors[0].look.species


def views(story: WorldStory = STORY) -> list[View]:
    return [viewed(shot) for shot in story.shots]


def measured(seen: Sequence[View]) -> dict[str, list[float]]:
    rows = defaultdict(list)
    for index in range(len(STORY.shots)):
        for row, value in measures_at(STORY, index, seen):
            rows[row].append(value)
    return rows


def test_perfect_film_is_consistent_and_aligned() -> None:
    rows = measured(views())
    assert set(rows) == set(MEASURES)
    for row in (CHARACTER, ENVIRONMENT, ALIGNMENT, FOUND, DRIFT_CHARACTER):
        assert set(rows[row]) == {1.0}
    assert set(rows[DRIFT_COLOUR]) == {0.0}


def test_changed_look_at_the_return_is_inconsistent() -> None:
    seen = views()
    seen[3] = replace(seen[3], characters={SPECIES: -seen[3].characters[SPECIES]})
    rows = measured(seen)
    assert -1.0 in rows[CHARACTER]
    assert rows[DRIFT_CHARACTER][-1] == -1.0
    assert set(rows[ENVIRONMENT]) == {1.0}


def test_missing_character_is_left_out_and_counted() -> None:
    seen = views()
    seen[3] = replace(seen[3], characters={})
    rows = measured(seen)
    assert len(rows[DRIFT_CHARACTER]) == len(measured(views())[DRIFT_CHARACTER]) - 1
    assert rows[FOUND].count(False) == 1


@pytest.mark.parametrize(("fault", "part"), [("nobody", 2 / 3), ("a stranger", 2 / 3), ("elsewhere", 2 / 3)])
def test_alignment_is_the_confirmed_share_of_the_caption(fault: str, part: float) -> None:
    reading = viewed(STORY.shots[3]).reading  # its caption: the same character, no other, the same place
    stranger = next(name for name in WORLD.species if name != SPECIES)
    changed = {
        "nobody": replace(reading, present=dict.fromkeys(reading.present, 0.0)),
        "a stranger": replace(reading, present={**reading.present, stranger: 1.0}),
        "elsewhere": replace(reading, setting="nowhere"),
    }[fault]
    seen = views()
    seen[3] = replace(seen[3], reading=changed)
    assert dict(measures_at(STORY, 3, seen))[ALIGNMENT] == pytest.approx(part)


def test_dynamic_degree_is_motion_and_empty_shot_has_no_subject() -> None:
    moving = dict(measures_at(STORY, 0, [replace(view, motion=0.6) for view in views()]))
    still = dict(measures_at(STORY, 0, views()))
    assert (moving[DYNAMIC], still[DYNAMIC]) == (True, False)
    empty = replace(viewed(STORY.shots[0]), subject=None, characters={})
    assert SUBJECT not in dict(measures_at(STORY, 0, [empty, *views()[1:]]))


def test_colour_shift_is_measured_at_the_return() -> None:
    seen = views()
    seen[3] = replace(seen[3], colour=(0.7, 0.5, 0.5))
    assert max(measured(seen)[DRIFT_COLOUR]) == pytest.approx(0.2 / 3)
    assert np.mean(measured(views())[DRIFT_COLOUR]) == 0
