from __future__ import annotations

from pathlib import Path

from PIL import Image

from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory


def test_a_picture_in_the_run_directory(onestory: Onestory, film_run: Path) -> None:
    result = onestory("contact-sheet")
    assert (result.exit, result.out) == (ExitCode.DONE, "film.run/contact-sheet.png\n")
    with Image.open("film.run/contact-sheet.png") as picture:
        assert picture.format == "PNG"


def test_as_json(onestory: Onestory, film_run: Path) -> None:
    document = onestory("contact-sheet", film_run, "--out", "sheet.png", "--json").json
    assert (document["schema"], document["picture"]) == ("onestory.contact-sheet.v1", "sheet.png")


def test_nothing_rendered_is_nothing_to_draw(onestory: Onestory, film_run: Path) -> None:
    for record in film_run.glob("shots/*/*/record.json"):
        record.write_text("{}")
    result = onestory("contact-sheet", film_run)
    assert result.exit is ExitCode.FINDINGS
    assert "error[R414]" in result.err
