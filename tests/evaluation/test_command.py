"""`onestory evaluate` from a model folder to its files."""

from __future__ import annotations

import io
import json
from pathlib import Path

from onestory_cli.cli import run
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode
from onestory_cli.models.load import LoadedModel
from onestory_cli.training.build import save_model


def onestory(*arguments: str) -> tuple[ExitCode, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return run(arguments, Console(stdout=out, stderr=err, color=False)), out.getvalue(), err.getvalue()


def test_measures_a_model_folder(model: LoadedModel, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model")
    file = tmp_path / "evaluation.json"
    options = ("--stories", "2", "--steps", "1", "--policies", "adaptive, none", "--out", str(file))
    code, out, err = onestory("evaluate", str(tmp_path / "model"), *options, "--markdown")
    assert code is ExitCode.DONE, err
    document = json.loads(file.read_text())
    assert document["policies"] == ["adaptive", "none"]
    assert document["provenance"]["conduct"]["schedule"]["steps"] == 1
    assert len(document["provenance"]["fingerprint"]) == 16
    assert str(tmp_path) not in json.dumps(document["provenance"])
    assert out.startswith("| % | n | adaptive | none | ceiling | adaptive - none |")


def test_an_unknown_policy_is_a_usage_error_before_anything_loads() -> None:
    code, out, err = onestory("evaluate", "storyworld", "--policies", "adaptive,best")
    assert (code, out) == (ExitCode.USAGE, "")
    assert 'no policy "best"' in err
