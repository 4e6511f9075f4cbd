"""Stories are deterministic, keep their cast apart and follow their pattern."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onestory_cli.storyworld import PATTERNS, WorldConfig, WorldShot, WorldStory, gap_story, make_story, relevance

CONFIG = WorldConfig()
SEEDS = range(60)


def species(shot: WorldShot) -> set[str]:
    return {actor.look.species for actor in shot.actors}


def first_actor(story: WorldStory) -> str:
    return story.shots[0].actors[0].look.species


def test_same_seed_same_story() -> None:
    for seed in range(10):
        assert make_story(seed, CONFIG) == make_story(seed, CONFIG)
        assert gap_story(seed, CONFIG, gap=2) == gap_story(seed, CONFIG, gap=2)


def test_seeds_differ() -> None:
    assert len({make_story(seed, CONFIG).shots[0] for seed in range(50)}) == 50


def test_naming_the_pattern_that_is_drawn_changes_nothing() -> None:
    story = make_story(7, CONFIG)
    assert make_story(7, CONFIG, pattern=story.pattern) == story


def test_all_patterns_are_drawn() -> None:
    assert {make_story(seed, CONFIG).pattern for seed in SEEDS} == set(PATTERNS)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("shots", [1, 2, 3, 6, 12, 24])
def test_length(pattern: str, shots: int) -> None:
    story = make_story(3, CONFIG, shots=shots, pattern=pattern)
    assert len(story.shots) == shots
    assert story.pattern == pattern


def test_one_look_per_species_and_one_place_per_setting() -> None:
    for seed in SEEDS:
        story = make_story(seed, CONFIG, shots=12)
        looks = {actor.look for shot in story.shots for actor in shot.actors}
        places = {shot.place for shot in story.shots}
        assert len({look.species for look in looks}) == len(looks)
        assert len({place.setting for place in places}) == len(places)


def test_accessory_differs_from_the_body() -> None:
    for seed in SEEDS:
        for shot in make_story(seed, CONFIG).shots:
            for actor in shot.actors:
                assert actor.look.accessory_colour != actor.look.colour


def test_subject_shows_one_character_throughout() -> None:
    for seed in SEEDS:
        story = make_story(seed, CONFIG, pattern="subject")
        main = first_actor(story)
        assert sum(main in species(shot) for shot in story.shots) >= 4


def test_recall_leaves_and_returns() -> None:
    for seed in SEEDS:
        story = make_story(seed, CONFIG, pattern="recall")
        shown = [first_actor(story) in species(shot) for shot in story.shots]
        back = shown.index(True, 1)
        assert 2 <= back <= 4
        assert not any(shown[1:back])
        assert all(shot.place != story.shots[0].place for shot in story.shots[1:back])


def test_composition_introduces_alone_then_joins() -> None:
    for seed in SEEDS:
        story = make_story(seed, CONFIG, pattern="composition")
        casts = [species(shot) for shot in story.shots]
        joined = next(index for index, cast in enumerate(casts) if len(cast) == 2)
        introduced = [cast for cast in casts[:joined] if cast]
        assert all(len(cast) == 1 for cast in introduced)
        assert set().union(*introduced) == casts[joined]
        assert not any(story.shots[joined].names_look)


def test_pairs_stand_left_and_right_in_caption_order() -> None:
    for seed in SEEDS:
        for shot in make_story(seed, CONFIG, pattern="composition").shots:
            if len(shot.actors) == 2:
                first, second = shot.actors
                assert first.x + 0.3 < second.x
                assert shot.caption.index(first.look.species) < shot.caption.index(second.look.species)
                assert shot.framing != "close-up"


@pytest.mark.parametrize("gap", range(9))
def test_gap_is_exact(gap: int) -> None:
    for seed in range(20):
        story = gap_story(seed, CONFIG, gap=gap)
        first, *between, last = story.shots
        assert len(between) == gap
        assert species(first) == species(last)
        assert len(species(last)) == 1
        assert first.place == last.place
        assert all(species(shot).isdisjoint(species(first)) and shot.place != first.place for shot in between)
        assert last.names_look == (False,)
        assert last.names_place == "again"
        assert first.framing != "close-up"


def test_relevance_of_a_gap_story() -> None:
    story = gap_story(5, CONFIG, gap=4)
    assert relevance(story, 5) == (1.0, -1.0, -1.0, -1.0, -1.0)
    assert relevance(story, 0) == ()


def _story(*slots: tuple[tuple[int, ...], int]) -> WorldStory:
    """A story which shows the given numbers of characters in the given number of place."""
    samples = [shot for seed in range(40) for shot in make_story(seed, CONFIG).shots]
    actors = {shot.actors[0].look.species: shot.actors[0] for shot in samples if shot.actors}
    places = {shot.place.setting: shot.place for shot in samples}
    shots = tuple(
        replace(
            samples[0],
            actors=tuple(list(actors.values())[number] for number in who),
            place=list(places.values())[where],
            names_look=(True,) * len(who),
        )
        for who, where in slots
    )
    return WorldStory(seed=0, pattern="mixed", shots=shots)


def test_relevance_weighs_characters_over_places() -> None:
    story = _story(((0,), 0), ((1,), 1), ((), 0), ((0,), 1), ((2,), 2), ((0,), 0))
    scores = relevance(story, 5)
    assert scores == pytest.approx((1.0, -1.0, -0.2, 0.2, -1.0))


def test_relevance_counts_each_needed_character() -> None:
    story = _story(((0,), 0), ((1,), 1), ((0, 1), 2), ((1, 0), 1))
    assert relevance(story, 3) == pytest.approx((-0.4, 0.4, 0.2))


def test_relevance_needs_only_what_was_shown_before() -> None:
    new_character = _story(((0,), 0), ((0,), 1), ((1,), 0))
    assert relevance(new_character, 2) == (1.0, -1.0)
    new_place = _story(((0,), 0), ((1,), 0), ((0,), 1))
    assert relevance(new_place, 2) == (1.0, -1.0)
    all_new = _story(((0,), 0), ((1,), 1))
    assert relevance(all_new, 1) == (-1.0,)
    empty = _story(((0,), 0), ((0,), 1), ((), 0))
    assert relevance(empty, 2) == (1.0, -1.0)


def test_relevance_stays_in_range() -> None:
    for seed in SEEDS:
        story = make_story(seed, CONFIG, shots=8)
        for target in range(8):
            scores = relevance(story, target)
            assert len(scores) == target
            assert all(-1 <= score <= 1 for score in scores)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="pattern"):
        make_story(0, CONFIG, pattern="epic")
    with pytest.raises(ValueError, match="shots"):
        make_story(0, CONFIG, shots=0)
    with pytest.raises(ValueError, match="gap"):
        gap_story(0, CONFIG, gap=-1)
    with pytest.raises(ValueError, match="settings"):
        gap_story(0, WorldConfig(settings=("beach",)), gap=1)
    with pytest.raises(ValueError, match="target"):
        relevance(make_story(0, CONFIG), 6)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_tiny_world_still_has_stories(pattern: str) -> None:
    tiny = WorldConfig(species=("fox",), colours=("red",), accessories=("none",), settings=("beach",))
    for seed in range(20):
        story = make_story(seed, tiny, pattern=pattern)
        assert len(story.shots) == 6
        assert all(species(shot) <= {"fox"} and shot.place.setting == "beach" for shot in story.shots)
