"""The paper's measures in storyworld form (OneStory 5.1): between shots, to the caption, within a shot; and drift.

As in the paper, the story defines which shots show the same character or place. A character that is not found is left
out instead of counting as 0; "characters found" is the share that is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from onestory_cli.evaluation.embeddings import View, likeness
from onestory_cli.evaluation.questions import Answer, appearances, compare
from onestory_cli.storyworld.vocabulary import SPECIES
from onestory_cli.storyworld.world import WorldStory

CHARACTER, ENVIRONMENT, ALIGNMENT = "character consistency", "environment consistency", "caption alignment"
SUBJECT, BACKGROUND, DYNAMIC = "subject consistency", "background consistency", "dynamic degree"
FOUND = "characters found"
PAPER = (CHARACTER, ENVIRONMENT, ALIGNMENT, SUBJECT, BACKGROUND, DYNAMIC)
DRIFT_CHARACTER, DRIFT_PLACE, DRIFT_COLOUR = "character as at first", "place as at first", "colour shift since first"
MEASURES = (*PAPER, FOUND, DRIFT_CHARACTER, DRIFT_PLACE, DRIFT_COLOUR)

# mean change per quarter of a shot: walks and jumps of true films are above (0.3 to 0.8), standing below (0.1 to 0.25)
DYNAMIC_MOTION = 0.25


def measures_at(story: WorldStory, index: int, views: Sequence[View]) -> Iterator[Answer]:
    """All measures of one shot and of its similarity (cosine) to earlier shots."""
    yield from _between(story, index, views)
    yield ALIGNMENT, _alignment(story, index, views[index])
    yield from _within(views[index])
    yield from _found(story, index, views[index])
    yield from _drift(story, index, views)


def _between(story: WorldStory, index: int, views: Sequence[View]) -> Iterator[Answer]:
    """Similarities of this shot to earlier shots of the same characters and the same place."""
    for before in range(index):
        for species in _shared(story, before, index):
            yield from _likeness(CHARACTER, species, views[before], views[index])
        if story.shots[before].place == story.shots[index].place:
            yield ENVIRONMENT, likeness(views[before].place, views[index].place)


def _alignment(story: WorldStory, index: int, view: View) -> float:
    """The share of the caption that the read-out confirms.

    It checks the cast (and that no other character is visible), and the looks and the place that the caption names. It
    does not read actions.
    """
    shot = story.shots[index]
    cast = {actor.look.species for actor in shot.actors}
    said = [not any(view.reading.shows(species) for species in SPECIES if species not in cast)]
    for appearance in appearances(story, index):
        marks = dict(compare(appearance.look, view.reading))
        said += [hit for name, hit in marks.items() if name == "species" or (appearance.named and name != "all looks")]
    if shot.names_place != "omitted":
        said.append(view.reading.setting == shot.place.setting)
    return sum(said) / len(said)


def _within(view: View) -> Iterator[Answer]:
    if view.subject is not None:
        yield SUBJECT, view.subject
    yield BACKGROUND, view.background
    yield DYNAMIC, view.motion > DYNAMIC_MOTION


def _found(story: WorldStory, index: int, view: View) -> Iterator[Answer]:
    for actor in story.shots[index].actors:
        yield FOUND, actor.look.species in view.characters


def _drift(story: WorldStory, index: int, views: Sequence[View]) -> Iterator[Answer]:
    """Similarity of this shot to the first generated shot of each of its characters and of its place."""
    for appearance in appearances(story, index):
        if appearance.look.species in _shared(story, appearance.first, index) and appearance.first < index:
            yield from _likeness(DRIFT_CHARACTER, appearance.look.species, views[appearance.first], views[index])
    first = next(before for before in range(index + 1) if story.shots[before].place == story.shots[index].place)
    if first < index:
        yield DRIFT_PLACE, likeness(views[first].place, views[index].place)
        yield DRIFT_COLOUR, float(np.abs(np.subtract(views[first].colour, views[index].colour)).mean())


def _likeness(row: str, species: str, one: View, other: View) -> Iterator[Answer]:
    if species in one.characters and species in other.characters:
        yield row, likeness(one.characters[species], other.characters[species])


def _shared(story: WorldStory, one: int, other: int) -> set[str]:
    """Species of the characters in both shots, without twins in one shot, which share one embedding."""
    casts = [[actor.look for actor in story.shots[number].actors] for number in (one, other)]
    single = [{look for look in cast if [item.species for item in cast].count(look.species) == 1} for cast in casts]
    return {look.species for look in single[0] & single[1]}
