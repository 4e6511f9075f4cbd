"""The films of a command line, and the names of their folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.batch.films import find_stories, list_films
from onestory_cli.errors import OnestoryError
from onestory_cli.story.overrides import Override


@pytest.fixture
def stories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a/film.story.yaml", "a/deep/film.story.yaml", "b/kite.story.yaml", "b/notes.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("story: 1\n")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["b"], ["b/kite.story.yaml"]),
        (["a"], ["a/deep/film.story.yaml", "a/film.story.yaml"]),
        (["*/*.story.yaml"], ["a/film.story.yaml", "b/kite.story.yaml"]),
        (["**/film.story.yaml"], ["a/deep/film.story.yaml", "a/film.story.yaml"]),
        (["b/notes.yaml", "b"], ["b/notes.yaml", "b/kite.story.yaml"]),
        (["a/film.story.yaml", "a", "a/../a/film.story.yaml"], ["a/film.story.yaml", "a/deep/film.story.yaml"]),
        (["gone.story.yaml"], ["gone.story.yaml"]),
    ],
)
def test_files_folders_and_patterns(stories: Path, words: list[str], found: list[str]) -> None:
    assert [path.as_posix() for path in find_stories(words)] == found


@pytest.mark.parametrize("word", ["empty", "c/*.story.yaml"])
def test_a_folder_or_pattern_without_stories_is_refused(stories: Path, word: str) -> None:
    with pytest.raises(OnestoryError) as caught:
        find_stories([word])
    assert caught.value.code == "B801"


def test_every_story_with_every_profile_and_every_seed(stories: Path) -> None:
    films = list_films(find_stories(["a"]), Path("out"), profiles=("draft", "final"), seeds=(1, 2))
    asked = [(film.story.as_posix(), film.profile, film.seed) for film in films]
    assert asked[:4] == [("a/deep/film.story.yaml", profile, seed) for profile in ("draft", "final") for seed in (1, 2)]
    assert len(asked) == len({film.run for film in films}) == 8
    assert films[0].run.parent == Path("out")
    assert films[0].name.startswith("film-draft-seed1-")


def test_names_do_not_depend_on_the_working_directory(stories: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (before,) = list_films([Path("b/kite.story.yaml")], Path("out"))
    monkeypatch.chdir(stories / "b")
    (after,) = list_films([Path("kite.story.yaml")], Path("../out"))
    assert before.name == after.name
    assert before.name.startswith("kite-")


def test_names_differ_with_every_option(stories: Path) -> None:
    setting = Override.parse("seed=1")
    films = [
        *list_films([Path("a/film.story.yaml"), Path("a/deep/film.story.yaml")], Path("out")),
        *list_films([Path("a/film.story.yaml")], Path("out"), seeds=(1,)),
        *list_films([Path("a/film.story.yaml")], Path("out"), profiles=("seed1",)),
        *list_films([Path("a/film.story.yaml")], Path("out"), settings=(setting,)),
        *list_films([Path("a/film-seed1.story.yaml")], Path("out")),
    ]
    assert len({film.name for film in films}) == len(films)


def test_a_name_is_a_valid_folder_name(stories: Path) -> None:
    (film,) = list_films([Path("b") / ("x y\n" * 40 + ".story.yaml")], Path("out"))
    assert film.run.parent == Path("out")
    assert len(film.name) < 80
    assert film.name.isprintable()
