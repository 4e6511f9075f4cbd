from __future__ import annotations

from pathlib import Path

from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory


def test_path_is_printed(onestory: Onestory, film_run: Path) -> None:
    result = onestory("export", "--to", "fcpxml")
    assert (result.exit, result.out, result.err) == (ExitCode.DONE, "film.run/film.fcpxml\n", "")
    assert Path("film.run/film.fcpxml").read_text().startswith("<?xml")


def test_second_export_needs_force(onestory: Onestory, film_run: Path) -> None:
    onestory("export", film_run, "--to", "gif")
    again = onestory("export", film_run, "--to", "gif")
    assert (again.exit, again.out) == (ExitCode.USAGE, "")
    assert "error[X801]" in again.err
    assert onestory("export", film_run, "--to", "gif", "--force").exit is ExitCode.DONE


def test_json(onestory: Onestory, film_run: Path) -> None:
    document = onestory("export", film_run, "--to", "edl", "--out", "cut.edl", "--json").json
    assert (document["schema"], document["to"], document["path"]) == ("onestory.export.v1", "edl", "cut.edl")
    assert (document["shots"], document["missing"]) == (3, [])


def test_unknown_target_is_a_usage_error(onestory: Onestory, film_run: Path) -> None:
    assert onestory("export", film_run, "--to", "avi").exit is ExitCode.USAGE


def test_missing_folder_is_reported(onestory: Onestory, film_run: Path) -> None:
    result = onestory("export", film_run, "--to", "fcpxml", "--out", "nowhere/film.fcpxml")
    assert result.exit in (ExitCode.MACHINE, ExitCode.FINDINGS)
    assert "error[R4" in result.err or "error[U608]" in result.err
