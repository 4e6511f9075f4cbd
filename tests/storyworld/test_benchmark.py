"""The stories that measure: who is where in the patterns, and what the returns of a ladder may remember."""

from __future__ import annotations

import pytest

from onestory_cli.storyworld.benchmark import COMPOSITION, GAPS, INSERT, SUBJECT, ladder_story, pattern_story
from onestory_cli.storyworld.world import WorldConfig, WorldStory

WORLD = WorldConfig()
SEEDS = range(60)


def cast(story: WorldStory) -> list[frozenset[str]]:
    return [frozenset(actor.look.species for actor in shot.actors) for shot in story.shots]


@pytest.mark.parametrize("pattern", [SUBJECT, INSERT, COMPOSITION])
def test_a_pattern_has_six_shots_and_is_deterministic(pattern: str) -> None:
    story = pattern_story(3, WORLD, pattern=pattern)
    assert (len(story.shots), story.pattern) == (6, pattern)
    assert story == pattern_story(3, WORLD, pattern=pattern)
    assert story != pattern_story(4, WORLD, pattern=pattern)


def test_the_main_subject_is_in_every_shot() -> None:
    for seed in SEEDS:
        story = pattern_story(seed, WORLD, pattern=SUBJECT)
        assert len(set(cast(story))) == 1
        assert [any(shot.names_look) for shot in story.shots] == [True] + [False] * 5


def test_insert_and_recall_returns_to_the_first_then_to_the_inserted() -> None:
    for seed in SEEDS:
        story = pattern_story(seed, WORLD, pattern=INSERT)
        who = cast(story)
        inserted = next(index for index, names in enumerate(who) if names != who[0])
        back = next(index for index in range(inserted, 6) if who[index] == who[0])
        assert story.shots[back].place == story.shots[0].place
        assert (who[back + 1], story.shots[back + 1].place) == (who[inserted], story.shots[inserted].place)


def test_composition_introduces_two_characters_and_shows_both_three_times() -> None:
    for seed in SEEDS:
        sizes = [len(names) for names in cast(pattern_story(seed, WORLD, pattern=COMPOSITION))]
        assert sizes == [1, 1, 2, 1, 2, 2]


def test_every_rung_is_one_return_that_sees_no_other_return() -> None:
    made = ladder_story(5, WORLD)
    assert tuple(made.rungs) == GAPS
    assert len(made.story.shots) == 1 + max(GAPS) + len(GAPS)
    returns = {shots[-1] for shots in made.rungs.values()}
    assert len({made.story.shots[shot] for shot in returns}) == 1
    for gap, shots in made.rungs.items():
        assert len(shots) == gap + 2
        assert made.visible[shots[-1]] == shots[:-1]
        first, *between, back = (made.story.shots[shot] for shot in shots)
        assert (back.place, back.actors[0].look) == (first.place, first.actors[0].look)
        assert not any(back.names_look)
        assert all(shot.place != first.place for shot in between)
        assert all(actor.look != first.actors[0].look for shot in between for actor in shot.actors)
    assert not returns & {before for seen in made.visible for before in seen}


def test_too_small_worlds_are_refused() -> None:
    small = WorldConfig(species=("fox",))
    with pytest.raises(ValueError, match="two species"):
        pattern_story(0, small, pattern=SUBJECT)
    with pytest.raises(ValueError, match="two species"):
        ladder_story(0, small)
