"""The clips of a folder: order, captions and names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.evaluation.videos.films import MeasuredFilm, read_film
from onestory_cli.media.video import write_clip
from onestory_cli.story.load import load_story
from onestory_cli.story.types import Story

STORY = """\
story: 1
title: The Lost Kite
characters:
  fox: {look: a red fox}
  owl: {look: an owl}
settings:
  beach: {look: a beach}
shots:
  - {id: opening, caption: $fox walks on $beach.}
  - {id: city, caption: A city at night.}
  - {id: return, caption: $fox and $fox! wave on $beach.}
"""


@pytest.fixture
def parsed(tmp_path: Path) -> Story:
    path = tmp_path / "film.story.yaml"
    path.write_text(STORY)
    return load_story(path)[0]


def clips(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        write_clip(folder / name, np.zeros((2, 16, 16, 3), np.uint8), fps=8)
    return folder


def test_clips_are_in_natural_order(tmp_path: Path) -> None:
    folder = clips(tmp_path / "clips", "10.mp4", "2.mp4", "b.MP4", "a1.mov")
    (folder / "notes.txt").write_text("no clip")
    film = read_film(folder)
    assert [clip.shot for clip in film.clips] == ["2", "10", "a1", "b"]
    assert {clip.caption for clip in film.clips} == {None}


def test_film_is_named_after_its_folder_even_from_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clips(tmp_path / "kite", "1.mp4"))
    assert read_film(Path()).name == "kite"


def test_clips_named_after_shots_are_matched_by_name(tmp_path: Path, parsed: Story) -> None:
    film = read_film(clips(tmp_path / "clips", "return.mp4", "opening.mp4"), parsed)
    assert [clip.shot for clip in film.clips] == ["opening", "return"]
    first, last = film.clips
    assert last.caption == "The same fox and a red fox wave on the same beach."
    assert (last.characters, last.settings) == (("fox",), ("beach",))
    assert (first.path.name, film.looks, film.missing) == ("opening.mp4", {"fox": "a red fox"}, ("city",))


def test_other_clips_are_matched_in_order(tmp_path: Path, parsed: Story) -> None:
    film = read_film(clips(tmp_path / "clips", "1.mp4", "3.mp4", "2.mp4"), parsed)
    assert [(clip.shot, clip.path.name) for clip in film.clips] == [
        ("opening", "1.mp4"),
        ("city", "2.mp4"),
        ("return", "3.mp4"),
    ]


@pytest.mark.parametrize("names", [("1.mp4", "2.mp4"), ("opening.mp4", "sea.mp4", "x.mp4")])
def test_clips_that_do_not_match_the_story_are_rejected(tmp_path: Path, parsed: Story, names: tuple[str, ...]) -> None:
    with pytest.raises(OnestoryError) as caught:
        read_film(clips(tmp_path / "clips", *names), parsed)
    assert (caught.value.code, caught.value.exit) == ("T633", ExitCode.USAGE)


def test_empty_folder_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(OnestoryError) as caught:
        read_film(tmp_path)
    assert caught.value.code == "T632"


def shots_of(film: MeasuredFilm) -> list[tuple[str, str | None, tuple[str, ...]]]:
    return [(clip.shot, clip.caption, clip.characters) for clip in film.clips]


def test_run_directory_has_its_own_story(film_run: Path) -> None:
    film = read_film(film_run)
    assert shots_of(film) == [
        ("opening", "A red fox with a blue scarf walks right on a beach at sunset.", ("fox",)),
        ("city", "A city at night.", ()),
        ("return", "The same fox waves on the same beach.", ("fox",)),
    ]
    assert film.looks == {"fox": "a red fox with a blue scarf"}
    assert all(clip.path.is_file() for clip in film.clips)


def test_damaged_take_is_left_out(film_run: Path) -> None:
    next(film_run.glob("shots/city/*/record.json")).write_text("{}")
    film = read_film(film_run)
    assert [clip.shot for clip in film.clips] == ["opening", "return"]
    assert film.missing == ("city",)
