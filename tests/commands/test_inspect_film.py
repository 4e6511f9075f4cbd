from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory

FILM = Path("film.run/film.mp4")


def test_what_a_film_says_about_its_making(onestory: Onestory, film_run: Path) -> None:
    result = onestory("inspect", FILM)
    assert result.exit is ExitCode.DONE
    assert result.out.startswith("The Lost Kite: 3 shots, by onestory ")
    assert "\nmodel model (" in result.out
    assert [line.split()[:2] for line in result.out.splitlines()[-3:]] == [
        ["opening", "0"],
        ["city", "0"],
        ["return", "0"],
    ]


def test_its_story_comes_back_and_validates(onestory: Onestory, film_run: Path) -> None:
    result = onestory("inspect", FILM, "--extract", "again.story.yaml")
    assert (result.exit, result.out) == (ExitCode.DONE, "again.story.yaml\n")
    assert onestory("validate", "again.story.yaml").exit is ExitCode.DONE
    plan = onestory("plan", "again.story.yaml", "--run", "film.run", "--json").json
    assert [shot["action"] for shot in plan["shots"]] == ["keep"] * 3
    result = onestory("inspect", FILM, "--extract", "again.story.yaml")
    assert result.exit is ExitCode.FINDINGS
    assert "error[U605]" in result.err


def test_as_json(onestory: Onestory, film_run: Path) -> None:
    document = onestory("inspect", FILM, "--json").json
    assert (document["schema"], document["title"]) == ("onestory.inspect.v1", "The Lost Kite")
    assert [shot["id"] for shot in document["shots"]] == ["opening", "city", "return"]
    assert document["story"].startswith("story: 1\n")


def test_no_recipe_and_no_film(onestory: Onestory, film_run: Path) -> None:
    clip = next(film_run.glob("shots/*/*/clip.mp4"))
    assert "error[M515]" in onestory("inspect", clip).err
    assert "error[M508]" in onestory("inspect", "film.story.yaml").err
    gone = onestory("inspect", "gone.mp4")
    assert (gone.exit, "error[M508]" in gone.err) == (ExitCode.FINDINGS, True)


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs ffprobe")
def test_an_independent_reader_plays_it_and_sees_the_recipe(onestory: Onestory, film_run: Path) -> None:
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "format_tags:stream=nb_frames", "-of", "json", str(FILM)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert '"onestory"' in done.stdout
    assert '"title": "The Lost Kite"' in done.stdout


@pytest.fixture
def signed(onestory: Onestory, film_run: Path, tmp_path: Path) -> Path:
    """A signed copy of the film."""
    pytest.importorskip("c2pa")
    pytest.importorskip("cryptography")
    from tests.media.test_sign import write_chain

    assert onestory("resume", film_run, "--sign", *write_chain(tmp_path)).exit is ExitCode.DONE
    return film_run / "film.signed.mp4"


def test_who_signed_a_film_and_as_what(onestory: Onestory, signed: Path) -> None:
    result = onestory("inspect", signed)
    assert result.exit is ExitCode.DONE
    assert "signed by Signer (Tests): valid, but nobody here vouches for the signer\n" in result.out
    assert "signed as made by a model\n" in result.out
    document = onestory("inspect", signed, "--json").json["signature"]
    assert (document["state"], document["made_by_a_model"], document["problems"]) == ("valid", True, [])
    assert onestory("inspect", FILM, "--json").json["signature"] is None


def test_a_film_that_was_changed_after_it_was_signed_is_a_finding(onestory: Onestory, signed: Path) -> None:
    data = bytearray(signed.read_bytes())
    data[-1] ^= 1
    signed.write_bytes(data)
    result = onestory("inspect", signed)
    assert (result.exit, "signed by Signer (Tests): NOT VALID" in result.out) == (ExitCode.FINDINGS, True)
    assert result.err.startswith("error[M518]")
    assert "assertion.bmffHash.mismatch" in result.err
    assert onestory("inspect", signed, "--json").json["signature"]["state"] == "invalid"


def test_without_the_extra_it_says_what_to_install(
    onestory: Onestory, signed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    result = onestory("inspect", signed)
    assert result.exit is ExitCode.DONE
    assert "signed, unchecked: pip install 'onestory[sign]' to see by whom" in result.out
    assert onestory("inspect", signed, "--json").json["signature"]["state"] == "unchecked"
