from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory, change
from tests.report.conftest import render_story


def test_contact_sheet_is_written_to_the_run_directory(onestory: Onestory, film_run: Path) -> None:
    result = onestory("contact-sheet")
    assert (result.exit, result.out) == (ExitCode.DONE, "film.run/contact-sheet.png\n")
    with Image.open("film.run/contact-sheet.png") as picture:
        assert picture.format == "PNG"


def test_json(onestory: Onestory, film_run: Path) -> None:
    document = onestory("contact-sheet", film_run, "--out", "sheet.png", "--json").json
    assert (document["schema"], document["picture"]) == ("onestory.contact-sheet.v1", "sheet.png")
    assert document["unwritten"] == ""


def test_missing_glyphs_are_reported(onestory: Onestory, story: Path) -> None:
    change(story, "A city at night.", "A city \ue123 at night.")
    render_story(story, Path("film.run"))
    result = onestory("contact-sheet")
    assert result.exit is ExitCode.DONE
    assert "no font on this machine has" in result.err
    assert onestory("contact-sheet", "--json").json["unwritten"] == "\ue123"
    assert "no font on this machine has" in onestory("report", "--markdown", "a.md").err


def test_film_strip_has_the_middle_frame_of_every_shot(onestory: Onestory, film_run: Path) -> None:
    assert onestory("contact-sheet", "--strip", "2").out == "film.run/film-strip.png\n"
    with Image.open("film.run/film-strip.png") as two, Image.open(strip_of(onestory, 3)) as three:
        assert two.width < three.width
        assert two.height > 1.5 * three.height
    assert onestory("verify", film_run).exit is ExitCode.DONE


def test_help_names_both_default_files(onestory: Onestory, capsys: pytest.CaptureFixture[str]) -> None:
    onestory("contact-sheet", "--help")
    shown = capsys.readouterr().out
    assert "contact-sheet.png" in shown
    assert "film-strip.png" in shown


def strip_of(onestory: Onestory, columns: int) -> str:
    return onestory("contact-sheet", "--strip", str(columns), "--out", "strip.png").out.strip()


def test_run_without_takes_is_rejected(onestory: Onestory, film_run: Path) -> None:
    for record in film_run.glob("shots/*/*/record.json"):
        record.write_text("{}")
    result = onestory("contact-sheet", film_run)
    assert result.exit is ExitCode.FINDINGS
    assert "error[R414]" in result.err


def test_damaged_take_is_skipped_and_named(onestory: Onestory, film_run: Path) -> None:
    next(film_run.glob("shots/city/*/clip.mp4")).write_bytes(b"cut")
    result = onestory("contact-sheet")
    assert (result.exit, result.out) == (ExitCode.DONE, "film.run/contact-sheet.png\n")
    assert "city (shots/city/" in result.err
    assert "clip.mp4: 3 bytes instead of " in result.err
