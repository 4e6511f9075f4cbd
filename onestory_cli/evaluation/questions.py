"""Questions about a film: does each shot show the characters, looks and places of the story?

Readings of the shots answer them. A question belongs to a row of the table, named "group: attribute".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from onestory_cli.evaluation.embeddings import Reading
from onestory_cli.storyworld.visibility import shows_accent
from onestory_cli.storyworld.world import CharacterLook, WorldShot, WorldStory

LOOKS = ("species", "colour", "accessory", "accessory colour", "all looks")
FIRST, LATER, ABSENT_1, ABSENT_3 = "first", "later", "later, absent >= 1", "later, absent >= 3"
PAIR, OWN, PLACE, DETAIL = "two characters, later", "as in own first shot", "setting", "setting detail kept"
ROWS: tuple[str, ...] = (
    *(f"{group}: {name}" for group in (FIRST, LATER, ABSENT_1, ABSENT_3) for name in LOOKS),
    f"{PAIR}: both there",
    f"{PAIR}: both colours",
    f"{PAIR}: all looks of both",
    *(f"{OWN}: {name}" for name in LOOKS[1:]),
    *(f"{PLACE}: {name}" for name in ("named", "again", "omitted")),
    *(f"{DETAIL}: {name}" for name in ("accent colour", "accent side", "both")),
)

Answer = tuple[str, float]  # row; 1 if right, 0 if wrong, or a share


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """One actor of one shot. first: its first shot; absence: number of shots since it was last visible."""

    look: CharacterLook
    named: bool
    first: int
    absence: int


def answers(story: WorldStory, readings: Sequence[Reading]) -> Iterator[Answer]:
    """The answers to all questions about a story, from one reading per shot."""
    for index in range(len(story.shots)):
        yield from answers_at(story, index, readings)


def answers_at(story: WorldStory, index: int, readings: Sequence[Reading]) -> Iterator[Answer]:
    """The answers to all questions about one shot; some compare it with earlier shots."""
    shot, reading, cast = story.shots[index], readings[index], _readable(appearances(story, index))
    for appearance in cast:
        yield from _about_character(appearance, reading, readings[appearance.first])
    yield from _about_pair(cast, reading)
    yield _about_setting(shot, reading)
    yield from _about_details(story, index, readings)


def appearances(story: WorldStory, index: int) -> list[Appearance]:
    """The actors of a shot with their history."""
    shot = story.shots[index]
    return [
        _appearance(story, index, actor.look, named) for actor, named in zip(shot.actors, shot.names_look, strict=True)
    ]


def _readable(cast: list[Appearance]) -> list[Appearance]:
    """The actors that a reading can distinguish. It has one look per species, so twins in one shot are left out."""
    species = [item.look.species for item in cast]
    return [item for item in cast if species.count(item.look.species) == 1]


def _appearance(story: WorldStory, index: int, look: CharacterLook, named: bool) -> Appearance:
    seen = [number for number in range(index) if look in {actor.look for actor in story.shots[number].actors}]
    return Appearance(
        look=look, named=named, first=seen[0] if seen else index, absence=index - seen[-1] - 1 if seen else 0
    )


def compare(wanted: CharacterLook, reading: Reading) -> Iterator[tuple[str, bool]]:
    """Yield each attribute of the look and whether the reading shows it."""
    read, shown = reading.looks[wanted.species], reading.shows(wanted.species)
    yield "species", shown
    yield "colour", read.colour == wanted.colour
    yield "accessory", read.accessory == wanted.accessory
    if wanted.accessory_colour:
        yield "accessory colour", read.accessory_colour == wanted.accessory_colour
    yield "all looks", shown and read == wanted


def _about_character(appearance: Appearance, reading: Reading, first: Reading) -> Iterator[Answer]:
    marks = list(compare(appearance.look, reading))
    if appearance.named:
        yield from ((f"{FIRST}: {name}", hit) for name, hit in marks)
        return
    groups = [LATER]
    groups += [ABSENT_1] * (appearance.absence >= 1) + [ABSENT_3] * (appearance.absence >= 3)
    for group in groups:
        yield from ((f"{group}: {name}", hit) for name, hit in marks)
    own = first.looks[appearance.look.species]
    yield from ((f"{OWN}: {name}", hit) for name, hit in compare(own, reading) if name != "species")


def _about_pair(cast: Sequence[Appearance], reading: Reading) -> Iterator[Answer]:
    if len(cast) == 2 and not any(item.named for item in cast):
        marks = [dict(compare(item.look, reading)) for item in cast]
        yield f"{PAIR}: both there", all(mark["species"] for mark in marks)
        yield f"{PAIR}: both colours", all(mark["colour"] for mark in marks)
        yield f"{PAIR}: all looks of both", all(mark["all looks"] for mark in marks)


def _about_setting(shot: WorldShot, reading: Reading) -> Answer:
    naming = "named" if shot.names_place == "full" else shot.names_place
    return f"{PLACE}: {naming}", reading.setting == shot.place.setting


def _about_details(story: WorldStory, index: int, readings: Sequence[Reading]) -> Iterator[Answer]:
    """Compare with the first generated shot that should show the accent object, because captions do not describe it."""
    shot = story.shots[index]
    shown = [number for number in range(index) if story.shots[number].place == shot.place]
    shown = [number for number in shown if shows_accent(story.shots[number])]
    if not shown or not shows_accent(shot):
        return
    first, reading = readings[shown[0]], readings[index]
    colour, place = reading.accent_colour == first.accent_colour, reading.accent_side == first.accent_side
    yield f"{DETAIL}: accent colour", colour
    yield f"{DETAIL}: accent side", place
    yield f"{DETAIL}: both", colour and place
