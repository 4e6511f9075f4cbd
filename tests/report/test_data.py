from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.report.data import FilmReport, read_film
from onestory_cli.store.run import Run
from tests.commands.conftest import change
from tests.report.conftest import film_of, render_story


def test_every_visible_frame_is_listed_once_with_the_recorded_selection(film: FilmReport) -> None:
    for shot in film.shots:
        record = shot.take.record.memory
        visible = [(frame.source, frame.index) for frame in shot.memory.visible]
        assert visible == [(name, index) for name in record.visible for index in range(2)]
        taken = [(frame.source, frame.index, frame.score, frame.level, frame.tokens) for frame in shot.memory.taken]
        assert taken == [(item.source, item.index, item.score, item.level, item.tokens) for item in record.selected]
        assert shot.memory.tokens == record.context_tokens
        assert {frame.score for frame in shot.memory.visible} == {x for row in record.scores.values() for x in row}


def test_frames_not_taken_are_ranked_by_score(film: FilmReport) -> None:
    memory = film.shot("return").memory
    rest = [frame.score or 0 for frame in memory.ranked[len(memory.taken) :]]
    assert memory.ranked[: len(memory.taken)] == memory.taken
    assert len(rest) == 2
    assert rest == sorted(rest, reverse=True)


def test_gaps_count_shots_back(film: FilmReport) -> None:
    assert [source.gap for source in film.shot("return").memory.sources] == [2, 1]
    assert film.shot("return").memory.budget_tokens == 4


def test_mentions_are_spans_of_the_caption(film: FilmReport) -> None:
    shot = film.shot("return")
    marked = [(item.id, shot.caption[item.start : item.end]) for item in shot.mentions]
    assert marked == [("fox", "The same fox"), ("beach", "the same beach")]


def test_a_renamed_source_has_its_current_name(story: Path, film_run: Path) -> None:
    change(story, "id: opening", "id: first")
    film = render_story(story, film_run)
    assert [shot.id for shot in film.shots] == ["first", "city", "return"]
    memory = film.shot("return").memory
    assert [(source.name, source.gap) for source in memory.sources] == [("first", 2), ("city", 1)]
    assert {frame.source for frame in memory.taken} <= {"first", "city"}


def test_a_damaged_take_is_missing_and_its_clip_is_not_shown(film_run: Path) -> None:
    next(film_run.glob("shots/city/*/record.json")).write_text("{}")
    film = film_of(film_run)
    assert film.missing == ("city",)
    opening, city = film.shot("return").memory.sources
    assert (opening.file is None, city.file) == (False, None)
    assert len(city.frames) == 2


def test_source_that_is_no_longer_accepted_is_found(onestory: object, story: Path, film_run: Path) -> None:
    change(story, "A city at night.", "A city at noon.")
    before = film_of(film_run).shot("return").memory.sources[1]
    after = render_story(story, film_run)
    old = next(path for path in film_run.glob("shots/city/*") if path.name != after.shot("city").take.id)
    assert before.file is not None
    assert before.file.parent.name == old.name


def test_a_reference_picture_is_a_source_without_a_gap(story: Path) -> None:
    Image.fromarray(np.full((32, 32, 3), 200, np.uint8)).save("fox.png")
    change(story, "{look: a red fox with a blue scarf}", "{look: a red fox, image: fox.png}")
    film = render_story(story, Path("film.run"))
    source = film.shot("opening").memory.sources[0]
    assert (source.name, source.gap, len(source.frames)) == ("@fox", None, 1)
    assert source.file is not None
    assert source.file.suffix == ".png"


def test_a_policy_without_scores_still_has_frames(story: Path) -> None:
    change(story, "$fox waves on $beach.", "$fox waves on $beach.\n    memory: {policy: last}")
    film = render_story(story, Path("film.run"))
    change(story, "A city at night.", "A city at noon.")
    memory = render_story(story, Path("film.run")).shot("return").memory
    assert [len(source.frames) for source in memory.sources] == [2, 2]
    assert film.shot("return").memory.taken[0].source == "city"


def test_an_unknown_shot(film: FilmReport) -> None:
    with pytest.raises(OnestoryError) as caught:
        film.shot("retrun")
    assert (caught.value.code, caught.value.exit) == ("S230", ExitCode.USAGE)
    assert caught.value.help == 'did you mean "return"?'


def test_a_run_without_a_state(film_run: Path) -> None:
    (film_run / "run.json").unlink()
    with pytest.raises(OnestoryError, match="is not a run directory"):
        read_film(Run.open(film_run))


def test_a_film_without_shots(film_run: Path) -> None:
    shutil.rmtree(film_run / "shots")
    film = film_of(film_run)
    assert (film.shots, film.missing) == ((), ("opening", "city", "return"))
