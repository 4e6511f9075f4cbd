"""Captions stay inside the exported vocabulary and say exactly what they claim to say."""

from __future__ import annotations

import pytest

from onestory_cli.storyworld import PATTERNS, CharacterLook, WorldConfig, WorldShot, WorldStory, gap_story, make_story
from onestory_cli.storyworld.vocabulary import SETTINGS, SPECIES, WORDS, article, tokens

CONFIG = WorldConfig()


@pytest.fixture(scope="module")
def stories() -> list[WorldStory]:
    return [make_story(seed, CONFIG) for seed in range(300)] + [gap_story(s, CONFIG, gap=s % 9) for s in range(60)]


@pytest.fixture(scope="module")
def shots(stories: list[WorldStory]) -> list[WorldShot]:
    return [shot for story in stories for shot in story.shots]


def test_vocabulary_is_small_and_has_no_duplicates() -> None:
    assert len(WORDS) == len(set(WORDS)) <= 120
    assert all(word == word.lower() for word in WORDS)


def test_vocabulary_is_closed_over_captions(shots: list[WorldShot]) -> None:
    used = {token for shot in shots for text in (shot.caption, shot.full_caption) for token in tokens(text)}
    assert used <= set(WORDS)


def test_every_word_is_used_by_some_caption(shots: list[WorldShot]) -> None:
    used = {token for shot in shots for token in tokens(shot.caption)}
    assert set(WORDS) <= used


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Close-up. The same fox waves.", ["close-up", ".", "the", "same", "fox", "waves", "."]),
        ("back in the kitchen, a robot", ["back", "in", "the", "kitchen", ",", "a", "robot"]),
        ("zebra!", ["zebra", "!"]),
        ("", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def test_articles() -> None:
    assert article("orange fox") == "an orange fox"
    assert article("red fox") == "a red fox"


def test_look_words() -> None:
    assert CharacterLook(species="fox", colour="orange").words() == "an orange fox"
    scarf = CharacterLook(species="fox", colour="red", accessory="scarf", accessory_colour="blue")
    assert scarf.words() == "a red fox with a blue scarf"
    assert CharacterLook(species="bear", colour="white", accessory="hat", accessory_colour="orange").words() == (
        "a white bear with an orange hat"
    )


def test_names_look_is_true_of_the_caption(shots: list[WorldShot]) -> None:
    for shot in shots:
        for actor, named in zip(shot.actors, shot.names_look, strict=True):
            look, species = actor.look, actor.look.species
            assert (f"{look.colour} {species}" in shot.caption) == named, shot.caption
            if named:
                assert look.words() in shot.caption
            else:
                assert f"the same {species} " in shot.caption or f"the {species} " in shot.caption


def test_referential_captions_contain_no_colour(shots: list[WorldShot]) -> None:
    for shot in shots:
        if not any(shot.names_look):
            assert not set(tokens(shot.caption)) & set(CONFIG.colours), shot.caption


def test_species_in_the_caption_are_those_shown(shots: list[WorldShot]) -> None:
    for shot in shots:
        assert {word for word in tokens(shot.caption) if word in SPECIES} == {a.look.species for a in shot.actors}


def test_names_place_is_true_of_the_caption(shots: list[WorldShot]) -> None:
    for shot in shots:
        noun = SETTINGS[shot.place.setting].noun
        said = {
            "full": f"a {noun}" in shot.caption,
            "again": f"the {noun}" in shot.caption or f"the same {noun}" in shot.caption,
            "omitted": noun not in shot.caption,
        }
        assert [name for name, holds in said.items() if holds] == [shot.names_place], shot.caption


def test_first_mentions_are_full_and_later_ones_refer(stories: list[WorldStory]) -> None:
    for story in stories:
        species: set[str] = set()
        settings: set[str] = set()
        for shot in story.shots:
            assert shot.names_look == tuple(actor.look.species not in species for actor in shot.actors)
            assert (shot.names_place == "full") == (shot.place.setting not in settings)
            species |= {actor.look.species for actor in shot.actors}
            settings.add(shot.place.setting)


def test_a_place_is_omitted_only_right_after_itself(stories: list[WorldStory]) -> None:
    for story in stories:
        for before, shot in zip(story.shots, story.shots[1:], strict=False):
            if shot.names_place == "omitted":
                assert before.place == shot.place


def test_full_captions_name_every_look_and_place(shots: list[WorldShot]) -> None:
    for shot in shots:
        assert shot.place.words() in shot.full_caption
        assert all(actor.look.words() in shot.full_caption for actor in shot.actors)
        assert shot.full_caption.startswith(shot.framing.capitalize())
        assert shot.framing in shot.caption.lower()


def test_many_shots_are_referential(stories: list[WorldStory]) -> None:
    shots = [shot for story in stories if story.pattern in PATTERNS for shot in story.shots]
    share = sum(not all(shot.names_look) for shot in shots) / len(shots)
    assert 0.5 < share < 0.7
