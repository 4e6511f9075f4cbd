"""The command `train`; tests/training tests the training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode
from tests.bases import write_base
from tests.commands.conftest import Onestory

RECIPE = """\
name: tiny
base: base
data: {storyworld: {stories: 2, shots: 2}}
train: {steps: 1}
memory: {remembered: [2], selector_width: 8, queries: 1}
dtype: float32
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_base(tmp_path / "base", "t2v")
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE)
    return path


def test_recipe_with_a_base_trains_an_adapter(onestory: Onestory, recipe: Path) -> None:
    done = onestory("train", recipe, "--device", "cpu", "--json")
    folder = recipe.with_suffix(".train")
    assert done.exit is ExitCode.DONE, done.err
    *events, last = map(json.loads, done.out.splitlines())
    assert {event["event"] for event in events} > {"DataPrepared", "TrainingProgress", "StageFinished"}
    assert (last["schema"], last["model"]) == ("onestory.train.v1", str(folder / "model"))
    assert (folder / "model" / "adapter" / "adapter.safetensors").is_file()
    again = onestory("train", recipe, "--device", "cpu")
    assert again.exit is ExitCode.USAGE
    assert "U603" in again.err
    assert onestory("train", recipe, "--device", "cpu", "--resume").exit is ExitCode.DONE


def test_stage_option_is_rejected_for_an_adapter(onestory: Onestory, recipe: Path) -> None:
    done = onestory("train", recipe, "--stage", "vae")
    assert done.exit is ExitCode.USAGE
    assert "an adapter has no stages" in done.err
