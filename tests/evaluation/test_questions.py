"""The questions of a story, and right and wrong answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from onestory_cli.evaluation.embeddings import Reading
from onestory_cli.evaluation.questions import ABSENT_3, DETAIL, FIRST, LATER, OWN, PAIR, ROWS, answers, appearances
from onestory_cli.storyworld.stories import gap_story, make_story
from onestory_cli.storyworld.world import CharacterLook, WorldStory
from tests.evaluation.conftest import WORLD, perfect


def read(story: WorldStory) -> list[Reading]:
    return [perfect(shot) for shot in story.shots]


def test_perfect_film_is_right_in_every_row() -> None:
    found = [
        answer
        for seed in range(40)
        for answer in answers(*(lambda story: (story, read(story)))(make_story(seed, WORLD)))
    ]
    assert all(hit for _, hit in found)
    assert {row for row, _ in found} <= set(ROWS)
    assert not set(ROWS) - {row for row, _ in found} - {f"{ABSENT_3}: {name}" for name in ("accessory colour",)}


def test_absence_counts_shots_without_the_character() -> None:
    story = gap_story(3, WORLD, gap=3)
    (last,) = appearances(story, 4)
    assert (last.named, last.first, last.absence) == (False, 0, 3)
    asked = Counter(row for row, _ in answers(story, read(story)))
    assert asked[f"{ABSENT_3}: colour"] == 1


def test_wrong_colour_is_wrong_for_the_story_but_consistent_with_first_shot() -> None:
    story = gap_story(3, WORLD, gap=1)
    look = story.shots[0].actors[0].look
    wrong = CharacterLook(species=look.species, colour="orange")
    readings = read(story)
    for index in (0, 2):
        readings[index] = replace(readings[index], looks={**readings[index].looks, look.species: wrong})
    marks = dict(item for item in answers(story, readings) if item[0].endswith("colour") and "accessory" not in item[0])
    assert not marks[f"{LATER}: colour"]
    assert marks[f"{OWN}: colour"]


def test_absent_species_fails_all_looks_but_not_colour() -> None:
    story = make_story(0, WORLD)
    readings = [replace(item, present=dict.fromkeys(item.present, 0.0)) for item in read(story)]
    marks = Counter(answers(story, readings))
    assert marks[f"{FIRST}: species", True] == marks[f"{FIRST}: all looks", True] == 0
    assert marks[f"{FIRST}: colour", False] == 0


def test_pair_needs_both_characters() -> None:
    story, index = next(
        (story, index)
        for story in (make_story(seed, WORLD, pattern="composition") for seed in range(20))
        for index, shot in enumerate(story.shots)
        if len(shot.actors) == 2 and not any(shot.names_look)
    )
    readings = read(story)
    species = story.shots[index].actors[1].look.species
    looks = {**readings[index].looks, species: CharacterLook(species=species, colour="orange")}
    readings[index] = replace(readings[index], looks=looks)
    assert (f"{PAIR}: both colours", False) in set(answers(story, readings))


def test_details_are_compared_with_first_generated_shot_of_the_place() -> None:
    story = next(
        story
        for story in (make_story(seed, WORLD) for seed in range(20))
        if any(row.startswith(DETAIL) for row, _ in answers(story, read(story)))
    )
    moved = [replace(item, accent_side="left", accent_colour="pink") for item in read(story)]
    assert all(hit for row, hit in answers(story, moved) if row.startswith(DETAIL))
    moved[0] = replace(moved[0], accent_colour="white")
    assert not all(hit for row, hit in answers(story, moved) if row == f"{DETAIL}: both") or story.shots[
        0
    ].place not in {shot.place for shot in story.shots[1:]}
