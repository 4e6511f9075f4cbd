"""`onestory evaluate` from a model folder to its files."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from onestory_cli.cli import run
from onestory_cli.commands import _evaluate_model as benchmarking
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode
from onestory_cli.models.load import LoadedModel
from onestory_cli.training.build import save_model


def onestory(*arguments: str) -> tuple[ExitCode, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return run(arguments, Console(stdout=out, stderr=err, color=False)), out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def folder(model: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "model"
    save_model(model, path)
    return path


def measured(folder: Path, file: Path, *options: str) -> tuple[str, dict]:
    """What `evaluate` writes to stdout and to a file."""
    code, out, err = onestory("evaluate", str(folder), "--stories", "3", "--steps", "1", "--out", str(file), *options)
    assert code is ExitCode.DONE, err
    return out, json.loads(file.read_text())


def test_evaluate_measures_a_model_folder(folder: Path, tmp_path: Path) -> None:
    out, document = measured(folder, tmp_path / "e.json", "--policies", "adaptive, none", "--markdown")
    assert [item["name"] for item in document["variants"]] == ["adaptive", "none"]
    assert document["provenance"]["conduct"]["schedule"]["steps"] == 1
    assert len(document["provenance"]["fingerprint"]) == 16
    assert str(folder) not in json.dumps(document["provenance"])
    assert out.startswith("| % | n | adaptive | none | ceiling | adaptive - none |")
    assert "Accuracy of the read-out itself: species" in out


@pytest.mark.slow
def test_first_story_and_number_of_noise_seeds_are_recorded(folder: Path, tmp_path: Path) -> None:
    options = ("--policies", "none", "--first", "2000000", "--noise-seeds", "2")
    _, test_set = measured(folder, tmp_path / "e.json", *options)
    _, development = measured(folder, tmp_path / "d.json", "--policies", "none")
    assert (test_set["provenance"]["first_story"], development["provenance"]["first_story"]) == (2_000_000, 1_000_000)
    assert not {*test_set["films"]} & {*development["films"]}
    assert test_set["provenance"]["conduct"]["noise_seeds"] == 2
    assert test_set["rows"]["none"]["sharpness"]["n"] == 2 * test_set["rows"]["ceiling"]["sharpness"]["n"]


@pytest.mark.slow
def test_result_compared_with_itself_has_no_differences(folder: Path, tmp_path: Path) -> None:
    first = ("--policies", "adaptive", "--suite", "patterns")
    measured(folder, tmp_path / "a.json", *first)
    out, _ = measured(folder, tmp_path / "b.json", *first, "--against", str(tmp_path / "a.json"), "--json")
    comparison = json.loads(out)["against"]
    assert (comparison["films"], comparison["unequal"]) == (3, [])
    differences = {item["percent"] for item in comparison["differences"]["adaptive: this - that"].values()}
    assert 0.0 in differences
    assert differences <= {0.0, None}
    assert json.loads((tmp_path / "b.json").read_text())["against"] == comparison


@pytest.mark.slow
def test_two_workers_give_the_result_of_one(folder: Path, tmp_path: Path) -> None:
    first = ("--policies", "adaptive")
    measured(folder, tmp_path / "a.json", *first)
    _, document = measured(folder, tmp_path / "b.json", *first, "--workers", "2", "--against", str(tmp_path / "a.json"))
    assert document["provenance"]["conduct"]["workers"] == 2
    assert document["against"]["unequal"] == []
    assert document["tallies"] == json.loads((tmp_path / "a.json").read_text())["tallies"]


@pytest.mark.slow
def test_incomparable_result_is_rejected_before_generation(folder: Path, tmp_path: Path) -> None:
    measured(folder, tmp_path / "a.json", "--policies", "adaptive")
    options = ("--suite", "length", "--stories", "100", "--against", str(tmp_path / "a.json"))
    code, out, err = onestory("evaluate", str(folder), *options)
    assert (code, out) == (ExitCode.FINDINGS, "")
    assert "T620" in err
    assert 'suite "stories"' in err


@pytest.mark.slow
def test_result_that_cannot_be_written_is_printed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder existed when the command started."""
    place, before = tmp_path / "results", benchmarking.EvaluationOutput.of
    place.mkdir()
    monkeypatch.setattr(benchmarking.EvaluationOutput, "of", lambda *result: (place.rmdir(), before(*result))[1])
    options = ("--stories", "2", "--steps", "1", "--policies", "none", "--markdown")
    code, out, err = onestory("evaluate", str(folder), *options, "--out", str(place / "e.json"))
    assert code is ExitCode.MACHINE
    assert "error[U608]" in err
    assert out.startswith("| % | n | none | ceiling |")


@pytest.mark.parametrize("policy", ["adaptive", "none"])
def test_base_without_memory_adapter_is_rejected_before_loading(policy: str) -> None:
    code, out, err = onestory("evaluate", "wan2.1-t2v-1.3b", "--policies", policy)
    assert (code, out) == (ExitCode.USAGE, "")
    assert 'model "wan2.1-t2v-1.3b" has no memory adapter' in err


@pytest.mark.slow
def test_budgets_and_parts_are_columns(folder: Path, tmp_path: Path) -> None:
    parts = ("--selector", "on,off", "--conditioner", "on,off", "--budget", "1")
    _, document = measured(folder, tmp_path / "e.json", *parts)
    assert list(document["tallies"]) == ["both", "selector", "conditioner", "neither"]
    assert list(document["differences"]) == ["both - selector", "both - conditioner", "both - neither"]


@pytest.mark.slow
def test_memory_guidance_scales_are_columns_and_change_films(folder: Path, tmp_path: Path) -> None:
    _, document = measured(folder, tmp_path / "e.json", "--memory-guidance", "0,3")
    assert list(document["tallies"]) == ["guidance 0", "guidance 3"]
    assert [item["guidance"] for item in document["variants"]] == [0.0, 3.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--memory-guidance", "1,-2"), "at least 0"),
        (("--policies", "adaptive,best"), 'unknown policy "best"'),
        (("--budgets", "1,little"), "little"),
        (("--budgets", "1,-2"), "above 0"),
        (("--selector", "maybe"), 'use "on", "off" or "on,off"'),
        (("--selector", "off", "--policies", "none"), "use --policies, or --selector and --conditioner, not both"),
        (("--conditioner", "off", "--budget", "0.5"), "at least 1"),
        (("--suite", "films"), "films"),
        (("--first", "999999"), "1000000"),
    ],
)
def test_invalid_options_are_usage_errors_before_loading(options: tuple[str, ...], message: str) -> None:
    code, out, err = onestory("evaluate", "storyworld", *options)
    assert (code, out) == (ExitCode.USAGE, "")
    assert message in err


@pytest.mark.parametrize("path", ["nowhere/evaluation.json", "/", ""])
def test_unwritable_path_is_reported_before_loading(path: str) -> None:
    code, out, err = onestory("evaluate", "storyworld", "--out", path)
    assert (code, out) == (ExitCode.MACHINE, "")
    assert "error[U608]" in err
