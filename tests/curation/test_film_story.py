"""A curated film becomes a story that validates and renders."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from onestory_cli.api import load_story
from onestory_cli.curation import film_story
from onestory_cli.curation.cast import CastAppearance, CastIds
from onestory_cli.curation.film_story import Declared, _head, _require_unchanged, caption_of, look_pattern
from onestory_cli.curation.filters import CuratedShot
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.storyworld import WorldConfig
from tests.commands.conftest import Onestory
from tests.curation.footage import storyworld_film, write
from tests.curation.test_command import READOUT

FOX = CastAppearance(label="fox", vector="")


def seen(caption: str, *cast: CastAppearance, rewritten: str = "", corrected: bool = False) -> CuratedShot:
    ids = CastIds(characters=tuple(f"c{number}" for number, _ in enumerate(cast, start=1)), setting="s1")
    return CuratedShot(
        id="0",
        start=0,
        end=1,
        begins="cut",
        measures={},
        caption=caption,
        rewritten=rewritten,
        corrected=corrected,
        cast=cast,
        ids=ids,
    )


@pytest.mark.parametrize(
    ("label", "caption", "look"),
    [
        ("fox", "A red fox with a blue scarf on a beach.", "A red fox with a blue scarf"),
        ("fox", "A cat and a red fox wave in a city.", "a red fox"),
        ("person", "Inside, an old man wearing a grey coat opens a door.", "an old man wearing a grey coat"),
        ("bear", "Wide shot. A red fox and a blue bear with a red hat jump on a beach.", "a blue bear with a red hat"),
        ("fox", "Close-up. A red fox with a blue scarf walks left on a beach.", "A red fox with a blue scarf"),
        ("fox", "A foxglove on a beach.", None),
    ],
)
def test_a_look_is_the_phrase_about_a_character(label: str, caption: str, look: str | None) -> None:
    found = look_pattern(label).search(caption)
    assert (found and found.group()) == look


def test_phrases_become_references() -> None:
    shot = seen("A red fox waves on a wide beach, for $5.", FOX)
    fox = {"c1": Declared(id="fox", look="a red fox", shot=shot)}
    beach = {"s1": Declared(id="beach", look="a wide beach", shot=shot)}
    assert caption_of(shot, fox, {}) == "$fox waves on a wide beach, for $$5."
    assert caption_of(seen("A red fox on a wide beach.", FOX), fox, beach) == "$fox on $beach."
    assert caption_of(seen("A red fox and a blue fox.", FOX, FOX), fox, beach) == "A red fox and a blue fox."
    corrected = seen("A red fox.", FOX, rewritten="The fox is gone.", corrected=True)
    assert caption_of(corrected, fox, beach) == "The fox is gone."


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = WorldConfig(size=64, frames=33, fps=16, species=("fox", "rabbit", "bear"))
    pixels = storyworld_film(3, 4, config).pixels_PHWC
    return write(tmp_path_factory.mktemp("film") / "film.mp4", pixels, 16)


def test_a_film_becomes_a_valid_story(onestory: Onestory, film: Path, tmp_path: Path) -> None:
    done = onestory("curate", film, "--out", tmp_path / "set", *READOUT, "--as", "story")
    assert done.out == f"{tmp_path / 'set' / 'film.story.yaml'}\n"
    story = load_story(tmp_path / "set" / "film.story.yaml")
    assert len(story.shots) >= 2
    assert story.characters
    tree = yaml.safe_load((tmp_path / "set" / "film.story.yaml").read_text())
    assert any("$" in shot["caption"] for shot in tree["shots"])
    assert all(shot["duration"] == "2s" for shot in tree["shots"])


def test_an_edited_story_is_never_replaced(tmp_path: Path) -> None:
    file = tmp_path / "film.story.yaml"
    _require_unchanged(file)
    file.write_text(_head("a\nb.mp4", "story: 1\n") + "story: 1\n")
    assert file.read_text().count("\n") == 2
    _require_unchanged(file)
    for text in (file.read_text() + "title: mine\n", "story: 1\n", ""):
        file.write_text(text)
        with pytest.raises(OnestoryError, match="already exists") as caught:
            _require_unchanged(file)
        assert caught.value.code == "U605"


def test_only_pictures_of_curation_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film_story, "MAX_PICTURE_BYTES", 1000)
    file = tmp_path / "film.c1.png"
    file.write_bytes(film_story.MARK)
    assert film_story._is_own_picture(file)
    for data in (b"mine", film_story.MARK + bytes(1000)):
        file.write_bytes(data)
        assert not film_story._is_own_picture(file)


@pytest.mark.parametrize("name", ["shots.jsonl", "report.html"])
def test_files_of_somebody_else_are_never_replaced(onestory: Onestory, film: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    done = onestory("curate", film, "--out", tmp_path, "--encoders", "none", "--cast", "none")
    assert "U605" in done.err
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.slow
def test_the_story_renders(onestory: Onestory, film: Path, tmp_path: Path) -> None:
    onestory("curate", film, "--out", tmp_path / "set", *READOUT, "--as", "story")
    done = onestory("render", tmp_path / "set" / "film.story.yaml", "--run", tmp_path / "run", "--until", "shot-2")
    assert done.exit is ExitCode.DONE
    assert (tmp_path / "run" / "film.mp4").is_file()


@pytest.mark.parametrize(("arguments", "code"), [(["--as", "film"], "T651"), (["--as", "story"], "T654")])
def test_stories_need_captions(onestory: Onestory, film: Path, tmp_path: Path, arguments: list[str], code: str) -> None:
    done = onestory("curate", film, "--out", tmp_path / "set", "--encoders", "none", "--cast", "none", *arguments)
    assert code in done.err
