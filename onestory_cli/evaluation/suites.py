"""Suites: the films to generate, and the parts of them that count for each row.

To add a suite, write a function and add it to `SUITES`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from onestory_cli.evaluation.consistency import (
    CHARACTER,
    DRIFT_CHARACTER,
    DRIFT_COLOUR,
    DRIFT_PLACE,
    FOUND,
    PAPER,
    measures_at,
)
from onestory_cli.evaluation.drawing import DRAWN, Drawing, drawn_at
from onestory_cli.evaluation.embeddings import View
from onestory_cli.evaluation.questions import ABSENT_1, DETAIL, FIRST, LATER, OWN, PAIR, PLACE, Answer, answers_at
from onestory_cli.storyworld.benchmark import COMPOSITION, GAPS, INSERT, SUBJECT, ladder_story, pattern_story
from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.world import HELD_OUT, WorldConfig, WorldStory

SHOTS = 6
LENGTHS = (10, 20, 50, 100)
WINDOW = 5  # shots measured up to each length; a single shot would give only one question per story


@dataclass(frozen=True, kw_only=True)
class FilmPart:
    """A story within a film.

    name: prefix of the row names, or empty
    shots: the shots of the film that belong to it
    measured: the shots of the story that are measured
    """

    name: str
    story: WorldStory
    shots: tuple[int, ...]
    measured: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class BenchmarkFilm:
    """A film of one story. visible: per shot, the earlier shots that it can remember; None means all."""

    story: WorldStory
    parts: tuple[FilmPart, ...]
    visible: tuple[tuple[int, ...], ...] | None = None

    @property
    def key(self) -> str:
        """A digest of the story, to pair the films of two results."""
        return hashlib.sha256(_content(self.story).encode()).hexdigest()[:12]


@dataclass(frozen=True, kw_only=True)
class BenchmarkSuite:
    """Films with equal numbers of shots and equal visibility, which can be generated in batches.

    rows: the rows of tables, in order; a result contains all rows
    """

    name: str
    films: tuple[BenchmarkFilm, ...]
    rows: tuple[str, ...]


def film_answers(film: BenchmarkFilm, views: Sequence[View], true: Sequence[Drawing]) -> Iterator[Answer]:
    """All answers about a film, from one view per shot; `true` are the drawings of the true film."""
    for part in film.parts:
        seen = [views[shot] for shot in part.shots]
        readings = [view.reading for view in seen]
        for index in part.measured:
            shot = part.shots[index]
            drawn = drawn_at(views[shot].drawing, true[shot], part.story.shots[index].framing)
            for row, value in (*answers_at(part.story, index, readings), *measures_at(part.story, index, seen), *drawn):
                yield row_of(part.name, row), value


def row_of(part: str, row: str) -> str:
    """The name of a row for a part of a film."""
    return f"{part}, {row}" if part else row


def stories(count: int, world: WorldConfig, *, first: int = HELD_OUT) -> BenchmarkSuite:
    """Stories of six shots as in training, with new casts."""
    made = (make_story(first + index, world, shots=SHOTS) for index in range(count))
    return BenchmarkSuite(name="stories", films=tuple(_whole(story) for story in made), rows=_STORY_ROWS)


def patterns(count: int, world: WorldConfig, *, first: int = HELD_OUT) -> BenchmarkSuite:
    """The paper's three patterns in turn, of six shots (OneStory, Appendix B)."""
    names = (SUBJECT, INSERT, COMPOSITION)
    made = (pattern_story(first + index, world, pattern=names[index % len(names)]) for index in range(count))
    return BenchmarkSuite(
        name="patterns",
        films=tuple(_whole(story, story.pattern) for story in made),
        rows=(*PAPER, FOUND, *_PATTERN_ROWS),
    )


def ladder(count: int, world: WorldConfig, *, first: int = HELD_OUT, gaps: Sequence[int] = GAPS) -> BenchmarkSuite:
    """A character and a place return after a gap of other shots; only the returning shot is measured."""
    films = []
    for index in range(count):
        made = ladder_story(first + index, world, gaps=gaps)
        parts = [_rung(made.story, gap, shots) for gap, shots in made.rungs.items()]
        films.append(BenchmarkFilm(story=made.story, parts=tuple(parts), visible=made.visible))
    rows = tuple(row_of(_gap(gap), row) for row in _LADDER_ROWS for gap in gaps)
    return BenchmarkSuite(name="ladder", films=tuple(films), rows=rows)


def length(
    count: int, world: WorldConfig, *, first: int = HELD_OUT, lengths: Sequence[int] = LENGTHS
) -> BenchmarkSuite:
    """Long films, measured in the last shots up to each length."""
    films = []
    for index in range(count):
        story = make_story(first + index, world, shots=max(lengths))
        parts = [_window(story, end) for end in lengths]
        films.append(BenchmarkFilm(story=story, parts=tuple(parts)))
    rows = tuple(row_of(_shots(end), row) for row in _LENGTH_ROWS for end in lengths)
    return BenchmarkSuite(name="length", films=tuple(films), rows=rows)


def twins(count: int, world: WorldConfig, *, first: int = HELD_OUT) -> BenchmarkSuite:
    """Stories with two characters of one species, measured in shots that show only one of them.

    Raises:
        ValueError: version 1 of the world has no twins.
    """
    _require_version_2(world)
    films = []
    for index in range(count):
        story = make_story(first + index, world, shots=SHOTS, twins=True)
        part = FilmPart(name="twins", story=story, shots=tuple(range(SHOTS)), measured=_shots_of_one_twin(story))
        films.append(BenchmarkFilm(story=story, parts=(part,)))
    return BenchmarkSuite(name="twins", films=tuple(films), rows=tuple(row_of("twins", row) for row in _LOOK_ROWS))


def unseen(count: int, world: WorldConfig, *, first: int = HELD_OUT) -> BenchmarkSuite:
    """Stories with looks that were held out of training: a species and colour with a new accessory.

    Raises:
        ValueError: version 1 of the world has no held-out looks.
    """
    _require_version_2(world)
    held_out = replace(world, combinations="unseen")
    made = [make_story(first + index, held_out, shots=SHOTS, twins=False) for index in range(count)]
    films = [BenchmarkFilm(story=story, parts=_whole(story, "unseen").parts[1:]) for story in made]
    return BenchmarkSuite(name="unseen", films=tuple(films), rows=tuple(row_of("unseen", row) for row in _LOOK_ROWS))


def _require_version_2(world: WorldConfig) -> None:
    if world.version < 2:
        raise ValueError("this suite needs a model of version 2 of the storyworld")


def _shots_of_one_twin(story: WorldStory) -> tuple[int, ...]:
    """The shots with a single actor that shares its species with another character of the story."""
    looks = {actor.look for shot in story.shots for actor in shot.actors}
    species = [look.species for look in looks]
    return tuple(
        index
        for index, shot in enumerate(story.shots)
        if len(shot.actors) == 1 and species.count(shot.actors[0].look.species) > 1
    )


class SuiteBuilder(Protocol):
    """Build a suite of `count` films from the story seeds that start at `first`."""

    def __call__(self, count: int, world: WorldConfig, *, first: int = HELD_OUT) -> BenchmarkSuite: ...


SUITES: dict[str, SuiteBuilder] = {
    "stories": stories,
    "patterns": patterns,
    "ladder": ladder,
    "length": length,
    "twins": twins,
    "unseen": unseen,
}

_LOOK_ROWS = (
    *(f"{FIRST}: {name}" for name in ("species", "colour", "accessory", "all looks")),
    *(f"{LATER}: {name}" for name in ("species", "colour", "accessory", "all looks")),
)

_STORY_ROWS = (
    *(f"{FIRST}: {name}" for name in ("species", "colour", "all looks")),
    *(f"{LATER}: {name}" for name in ("species", "colour", "accessory", "all looks")),
    *(f"{ABSENT_1}: {name}" for name in ("colour", "all looks")),
    *(f"{PAIR}: {name}" for name in ("both there", "both colours", "all looks of both")),
    *(f"{OWN}: {name}" for name in ("colour", "all looks")),
    *(f"{PLACE}: {name}" for name in ("named", "again", "omitted")),
    f"{DETAIL}: both",
    *PAPER,
    FOUND,
    *DRAWN,
)
_PATTERN_ROWS = (
    *(row_of(name, f"{LATER}: {what}") for name in (SUBJECT, INSERT) for what in ("colour", "all looks")),
    row_of(INSERT, f"{ABSENT_1}: colour"),
    *(row_of(COMPOSITION, f"{PAIR}: {what}") for what in ("both there", "both colours", "all looks of both")),
    *(row_of(name, f"{DETAIL}: both") for name in (SUBJECT, INSERT, COMPOSITION)),
)
_LADDER_ROWS = (f"{LATER}: colour", f"{LATER}: all looks", f"{OWN}: colour", f"{DETAIL}: both", CHARACTER)
_LENGTH_ROWS = (
    f"{LATER}: colour",
    f"{LATER}: all looks",
    f"{DETAIL}: both",
    DRIFT_CHARACTER,
    DRIFT_PLACE,
    DRIFT_COLOUR,
)


def _content(story: WorldStory) -> str:
    """The full content of a story, with the class names of the first format so that older results stay comparable."""
    return repr(story).replace("WorldPlace(", "Place(").replace("CharacterLook(", "Look(")


def _whole(story: WorldStory, *names: str) -> BenchmarkFilm:
    shots = tuple(range(len(story.shots)))
    return BenchmarkFilm(
        story=story, parts=tuple(FilmPart(name=name, story=story, shots=shots, measured=shots) for name in ("", *names))
    )


def _rung(story: WorldStory, gap: int, shots: tuple[int, ...]) -> FilmPart:
    part = WorldStory(seed=story.seed, pattern="gap", shots=tuple(story.shots[shot] for shot in shots))
    return FilmPart(name=_gap(gap), story=part, shots=shots, measured=(gap + 1,))


def _window(story: WorldStory, end: int) -> FilmPart:
    shots = tuple(range(end))
    part = WorldStory(seed=story.seed, pattern=story.pattern, shots=story.shots[:end])
    return FilmPart(name=_shots(end), story=part, shots=shots, measured=shots[-WINDOW:])


def _gap(gap: int) -> str:
    return f"gap {gap}"


def _shots(end: int) -> str:
    return f"shots {max(1, end - WINDOW + 1)} to {end}"
