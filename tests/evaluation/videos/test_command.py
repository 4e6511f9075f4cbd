"""`onestory evaluate FILM`. (`tests/evaluation/test_command.py` tests the benchmark of models.)"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory

BLIND = ("--embedder", "none", "--detector", "none", "--aligner", "none")


@pytest.fixture
def seeing(network_folders: dict[str, Path]) -> tuple[str, ...]:
    """Options that select a tiny network for each role."""
    roles = {"embedder": "dinov2", "detector": "dfine", "aligner": "siglip"}
    return tuple(text for role, kind in roles.items() for text in (f"--{role}", str(network_folders[kind])))


def test_run_directory_with_named_networks(onestory: Onestory, film_run: Path, seeing: tuple[str, ...]) -> None:
    result = onestory("evaluate", film_run, *seeing, "--json", "--out", "evaluation.json")
    assert (result.exit, result.json) == (ExitCode.DONE, json.loads(Path("evaluation.json").read_text()))
    assert (result.json["benchmark"], result.json["film"]) == ("videos", "film.run")
    assert result.json["scores"]["caption alignment"]["n"] == 3
    # the tiny D-FINE has no class for a fox, so it did not search for one
    assert result.json["scores"]["character consistency"] == {
        "value": None,
        "n": 0,
        "of": 1,
        "unit": "characters that return",
    }
    assert result.json["provenance"]["networks"]["detector"]["kind"] == "d_fine"


def test_tables_on_the_console_and_as_markdown(onestory: Onestory, film_run: Path) -> None:
    table = onestory("evaluate", film_run, *BLIND)
    assert table.exit is ExitCode.DONE
    assert "dynamic degree" in table.out
    assert "3 of 3 shots" in table.out
    assert onestory("evaluate", film_run, *BLIND, "--markdown").out.startswith("| measure | value | measured on |\n")


def test_folder_of_clips_with_a_story(onestory: Onestory, story: Path, film_run: Path) -> None:
    Path("clips").mkdir()
    for index, clip in enumerate(sorted(film_run.glob("shots/*/*/clip.mp4"))):
        (Path("clips") / f"{index}.mp4").write_bytes(clip.read_bytes())
    document = onestory("evaluate", "clips", "--story", story, *BLIND, "--json").json
    assert [shot["shot"] for shot in document["shots"]] == ["opening", "city", "return"]
    drift = document["scores"]["colour drift of settings"]["value"]
    assert document["settings"] == [{"id": "beach", "shots": 2, "found": None, "likeness": None, "drift": drift}]


@pytest.mark.parametrize(("out", "said"), [(".", "Is a directory"), ("nowhere/e.json", "No such file or directory")])
def test_unwritable_output_is_rejected_before_measuring(
    onestory: Onestory, film_run: Path, out: str, said: str
) -> None:
    result = onestory("evaluate", film_run, *BLIND, "--out", out)
    assert (result.exit, result.out) == (ExitCode.MACHINE, "")
    assert f'"{out}" cannot be written: {said}' in result.err


def test_missing_weights_are_reported_with_the_fetch_command(
    onestory: Onestory, film_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    result = onestory("evaluate", film_run, "--embedder", "none", "--detector", "none")
    assert result.exit is ExitCode.MACHINE
    assert "onestory models fetch microsoft/xclip-base-patch32" in result.err


def test_unknown_network_is_rejected(onestory: Onestory, film_run: Path) -> None:
    result = onestory("evaluate", film_run, "--detector", "yolo")
    assert (result.exit, result.out) == (ExitCode.USAGE, "")
    assert 'unknown detector "yolo"' in result.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("film.run", "--policies", "last"), '--policies applies to a model, but "film.run" is a film'),
        (("storyworld", "--detector", "none"), '--detector applies to a film, but "storyworld" is a model'),
        (("model", "--detector", "none"), '--detector applies to a film, but "model" is a model'),
        (("stock", "--detector", "none"), '--detector applies to a film, but "stock" is a model'),
    ],
)
def test_options_of_the_other_kind_are_rejected(
    onestory: Onestory, film_run: Path, arguments: tuple[str, ...], said: str
) -> None:
    Path("stock").mkdir()
    Path("stock/model_index.json").write_text("{}")  # a pipeline of diffusers
    result = onestory("evaluate", *arguments)
    assert result.exit is ExitCode.USAGE
    assert said in result.err


def test_skipped_shots_are_reported(onestory: Onestory, film_run: Path) -> None:
    next(film_run.glob("shots/city/*/record.json")).write_text("{}")
    result = onestory("evaluate", film_run, *BLIND)
    assert result.exit is ExitCode.DONE
    assert "skipped, no complete clip: city" in result.err


def test_empty_folder_is_rejected(onestory: Onestory, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = onestory("evaluate", tmp_path / "empty", *BLIND)
    assert result.exit is ExitCode.USAGE
    assert "contains no clips" in result.err


def test_vbench_export_measures_nothing_and_needs_no_weights(onestory: Onestory, film_run: Path) -> None:
    result = onestory("evaluate", film_run, "--export-vbench", "export")
    assert (result.exit, result.out) == (ExitCode.DONE, "export\n")
    assert "vbench evaluate --videos_path export/videos" in result.err
    assert len(list(Path("export/videos").iterdir())) == 3


@pytest.mark.parametrize("option", [("--out", "e.json"), ("--markdown",), ("--readout",), ("--embedder", "none")])
def test_vbench_export_rejects_options_that_it_would_ignore(
    onestory: Onestory, film_run: Path, option: tuple[str, ...]
) -> None:
    result = onestory("evaluate", film_run, "--export-vbench", "export", *option)
    assert result.exit is ExitCode.USAGE
    assert f"--export-vbench measures nothing: remove {option[0]}" in result.err
    assert not Path("export").exists()
