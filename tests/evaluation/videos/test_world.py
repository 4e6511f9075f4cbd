"""True storyworld films, measured by the read-out of the package."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode
from onestory_cli.evaluation.readout import load_readout
from onestory_cli.evaluation.videos.descriptions import look_of, setting_of
from onestory_cli.evaluation.videos.films import Clip, MeasuredFilm
from onestory_cli.evaluation.videos.measure import FRAMES
from onestory_cli.evaluation.videos.run import measure_film
from onestory_cli.evaluation.videos.world import ReadoutReader, species_of
from onestory_cli.media.video import write_clip
from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.vocabulary import WORDS
from onestory_cli.storyworld.world import Actor, CharacterLook, WorldConfig, WorldPlace, WorldShot
from tests.commands.conftest import Onestory
from tests.commands.conftest import _render_film as render_film

RED, BLUE = (CharacterLook(species="fox", colour=colour) for colour in ("red", "blue"))
BEACH = WorldPlace(setting="beach", accent_colour="green", accent_x=0.2, sun_x=0.7, layout_seed=1)
MOON = WorldPlace(setting="moon", accent_colour="pink", accent_x=0.8, sun_x=0.3, layout_seed=2)


@pytest.fixture(scope="module")
def reader() -> ReadoutReader:
    return ReadoutReader(readout=load_readout())


def film_in(folder: Path, **shots: tuple[CharacterLook | None, WorldPlace]) -> MeasuredFilm:
    """A film with captions that all name the fox; its clips have twice the size, like renders."""
    for name, (look, place) in shots.items():
        actors = (Actor(look=look, action="waves", x=0.5, facing=1),) if look else ()
        shot = WorldShot(
            place=place,
            actors=actors,
            framing="medium shot",
            ground=0.2,
            caption="",
            full_caption="",
            names_look=(True,) * len(actors),
            names_place="full",
        )
        write_clip(folder / f"{name}.mp4", render_shot(shot, WorldConfig()).pixels_THWC, fps=8, scale=2)
    clips = [Clip(shot=name, path=folder / f"{name}.mp4", characters=("fox",), settings=("here",)) for name in shots]
    return MeasuredFilm(name="film", clips=tuple(clips), looks={"fox": "a red fox"})


@pytest.mark.slow
def test_same_look_is_more_similar_than_another(tmp_path: Path, reader: ReadoutReader) -> None:
    film = film_in(tmp_path, opening=(RED, BEACH), moon=(RED, MOON), changed=(BLUE, BEACH))
    first, kept, changed = (item.identity["fox"] or 0 for item in measure_film(film, reader).shots)
    assert first == pytest.approx(1)
    assert kept > changed + 0.1
    assert all(item.found == {"fox": FRAMES} for item in measure_film(film, reader).shots)


def test_film_matches_its_captions(tmp_path: Path, reader: ReadoutReader) -> None:
    film = film_in(tmp_path, opening=(RED, BEACH), changed=(BLUE, BEACH), gone=(None, MOON))
    result = measure_film(replace(film, places={"here": "a beach"}), reader)
    opening, changed, gone = (item.right for item in result.shots)
    assert {*opening["fox"].values(), *opening["here"].values()} == {True}
    assert (changed["fox"]["species"], changed["fox"]["colour"], changed["fox"]["all looks"]) == (True, False, False)
    assert (gone["fox"]["species"], gone["here"]["setting"]) == (False, False)
    scores = {name: item for name, item in result.scores.items() if name.startswith("right: ")}
    assert [*scores] == [f"right: {name}" for name in ("species", "colour", "accessory", "all looks", "setting")]
    assert (scores["right: species"].n, scores["right: setting"].value) == (3, pytest.approx(2 / 3))


@pytest.mark.slow
def test_twins_are_distinguished_by_colour(tmp_path: Path, reader: ReadoutReader) -> None:
    """Each of two foxes has its own shot; the second one is drawn as the first."""
    film = film_in(tmp_path, one=(RED, BEACH), other=(RED, BEACH))
    clips = (replace(film.clips[0], characters=("red",)), replace(film.clips[1], characters=("blue",)))
    result = measure_film(replace(film, clips=clips, looks={"red": "a red fox", "blue": "a blue fox"}), reader)
    assert [item.right[name]["all looks"] for item, name in zip(result.shots, ("red", "blue"), strict=True)] == [
        True,
        False,
    ]


def test_two_of_one_species_in_a_shot_are_left_out(tmp_path: Path, reader: ReadoutReader) -> None:
    film = film_in(tmp_path, both=(RED, BEACH))
    clips = (replace(film.clips[0], characters=("red", "blue")),)
    (shot,) = measure_film(replace(film, clips=clips, looks={"red": "a red fox", "blue": "a blue fox"}), reader).shots
    assert shot.right == {}


@pytest.mark.parametrize(
    ("text", "look"),
    [
        ("a red fox", CharacterLook(species="fox", colour="red")),
        (
            "A purple Ghost in a blue hat",
            CharacterLook(species="ghost", colour="purple", accessory="hat", accessory_colour="blue"),
        ),
        ("a fox with a blue scarf", None),
        ("a red fox with a scarf", None),
        ("a red fox and a blue bear", None),
        ("a tall man", None),
    ],
)
def test_look_of_a_description(text: str, look: CharacterLook | None) -> None:
    assert look_of(text) == look


def test_setting_of_a_description() -> None:
    assert [
        setting_of(text) for text in ("the same city at night", "a snowy valley", "a desert or a beach", "a bar")
    ] == [
        "city",
        "snow",
        None,
        None,
    ]


@pytest.mark.slow
def test_absent_character_has_no_similarity(tmp_path: Path, reader: ReadoutReader) -> None:
    film = film_in(tmp_path, empty=(None, BEACH), opening=(RED, BEACH), again=(RED, MOON))
    result = measure_film(film, reader)
    empty, first, again = result.shots
    assert (empty.identity, empty.found) == ({"fox": None}, {"fox": 0})
    assert first.identity["fox"] == pytest.approx(1)
    assert 0 < (again.identity["fox"] or 0) < 1
    assert [(item.id, item.found, item.shots) for item in result.characters] == [("fox", 2, 3)]
    assert result.scores["environment consistency"].n == 1


def test_species_of_looks_is_unique() -> None:
    assert species_of(["a red fox with a hat", "a Blue BEAR"]) == ["fox", "bear"]
    assert species_of(["a man", "a fox in a robot"]) == ["", ""]
    assert species_of(["a red fox", "a blue fox", "a frog"]) == ["", "", "frog"]


@pytest.mark.slow
def test_run_directory_of_a_storyworld_model(onestory: Onestory, story: Path) -> None:
    film_run = Path("film.run")
    render_film(film_run)  # not the shared film: a run records the path of its model, and this test changes the card
    card = json.loads(Path("model/onestory.json").read_text())
    Path("model/onestory.json").write_text(json.dumps({**card, "words": list(WORDS)}))
    result = onestory("evaluate", film_run, "--readout", "--json", "--out", "scores.json")
    assert result.exit is ExitCode.DONE, result.err
    assert (result.exit, result.json) == (ExitCode.DONE, json.loads(Path("scores.json").read_text()))
    assert result.json["provenance"]["networks"]["readout"]["fingerprint"]
    assert [[*shot["identity"]] for shot in result.json["shots"]] == [["fox"], [], ["fox"]]
    assert onestory("report", film_run, "--identity").exit is ExitCode.DONE
    measured = Path("film.run/report.html").read_text()
    assert onestory("report", film_run, "--scores", "scores.json").exit is ExitCode.DONE
    assert Path("film.run/report.html").read_text() == measured
    assert "measured by the readout of the storyworld" in measured


@pytest.mark.parametrize("command", [("evaluate", "film.run", "--readout"), ("report", "film.run", "--identity")])
def test_film_of_another_model_is_rejected(onestory: Onestory, film_run: Path, command: tuple[str, ...]) -> None:
    result = onestory(*command)
    assert result.exit is ExitCode.USAGE
    assert 'error[T634]: "film.run" is not a film of the storyworld' in result.err


def test_readout_excludes_other_networks(onestory: Onestory, film_run: Path) -> None:
    result = onestory("evaluate", film_run, "--readout", "--detector", "none")
    assert result.exit is ExitCode.USAGE
    assert "--readout replaces the networks" in result.err


def test_scores_of_a_changed_film_are_rejected(onestory: Onestory, film_run: Path) -> None:
    blind = ("--embedder", "none", "--detector", "none", "--aligner", "none")
    assert onestory("evaluate", film_run, *blind, "--out", "scores.json").exit is ExitCode.DONE
    other = next(film_run.glob("shots/city/*/record.json"))
    other.write_text("{}")
    result = onestory("report", film_run, "--scores", "scores.json")
    assert result.exit is ExitCode.USAGE
    assert "error[R418]" in result.err
