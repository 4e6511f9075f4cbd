"""Which takes make a film, and the messages about shots without a take."""

from __future__ import annotations

import shutil
from pathlib import Path

from onestory_cli.store.run import Run
from onestory_cli.store.take_query import AcceptedTakes, PartialFilm, accepted_takes
from tests.commands.conftest import Onestory, film_run, onestory, story

__all__ = ["Onestory", "film_run", "onestory", "story"]  # fixtures

SHOTS = ("opening", "city", "return")


def count(folder: Path, *more: str) -> AcceptedTakes:
    state = Run.open(folder).state()
    assert state is not None
    return accepted_takes(folder, state, (*SHOTS, *more))


def test_whole_takes_in_film_order_and_a_shot_that_was_never_rendered(film_run: Path) -> None:
    found = count(film_run, "later")
    assert list(found.takes) == [*SHOTS]
    assert [(item.shot, item.why) for item in found.left_out] == [("later", "not rendered")]
    (warning,) = PartialFilm(run=film_run, left_out=found.left_out).warnings
    assert (warning.code, warning.severity, warning.help) == ("W801", "warning", f"onestory resume {film_run}")
    assert warning.message == "skipped, no take: later"


def test_the_way_on_can_be_pasted_where_the_path_has_spaces(film_run: Path) -> None:
    found = count(film_run, "later")
    (warning,) = PartialFilm(run=Path("my film.run"), left_out=found.left_out).warnings
    assert warning.help == "onestory resume 'my film.run'"


def test_damage_is_named_by_its_file_and_by_what_is_wrong(film_run: Path) -> None:
    latents = next(film_run.glob("shots/city/*/latents.safetensors"))
    latents.write_bytes(latents.read_bytes()[:-1] + b"?")
    shutil.rmtree(film_run / "shots" / "return")
    found = count(film_run)
    assert list(found.takes) == ["opening"]
    city, back = found.left_out
    assert (city.shot, city.why) == ("city", "latents.safetensors: checksum mismatch")
    assert (back.shot, back.why) == ("return", "record.json: missing")
    (warning,) = PartialFilm(run=film_run, left_out=found.left_out).warnings
    assert f"city ({latents.relative_to(film_run)}: checksum mismatch), return (shots/return/" in warning.message


def test_a_whole_film_has_no_warning(film_run: Path) -> None:
    whole = PartialFilm(run=film_run, left_out=count(film_run).left_out)
    assert (whole.missing, whole.warnings) == ((), ())
