"""Trackers, and several processes as `accelerate launch` starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from accelerate.commands.config.config_args import load_config_from_file

from onestory_cli.errors import OnestoryError
from onestory_cli.training.adapter.run import train_adapter
from tests.training.adapter.conftest import write_recipe

ROOT = Path(__file__).parents[3]
PROGRAM = ROOT / "tests" / "models" / "torchrun.py"  # wrapper of the command that reports threads left at exit
CONFIGS = sorted((ROOT / "examples" / "accelerate").glob("*.yaml"))


@pytest.mark.train
def test_two_processes_train_one_adapter_that_one_process_resumes(
    tiny_folder: Path, manifest: Path, tmp_path: Path
) -> None:
    fields: dict[str, Any] = {"delta": "lora", "train": {"steps": 2, "alone": 0.0}}
    recipe = write_recipe(tmp_path / "recipe.yaml", tiny_folder, manifest, **fields)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    train = ["--", str(PROGRAM), "train", str(recipe), "--out", str(tmp_path / "out"), "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launch, *train], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "out" / "model")]
    assert "LEFT" not in done.stderr
    shards = {path.name.split("-")[0] for path in (tmp_path / "out" / "cache").glob("*.safetensors")}
    assert shards == {"000", "001"}
    assert "Processes: 2." in (tmp_path / "out" / "model" / "adapter" / "README.md").read_text()
    write_recipe(recipe, tiny_folder, manifest, **{**fields, "train": {**fields["train"], "steps": 3}})
    train_adapter(recipe, tmp_path / "out", device="cpu")
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_example_configs_are_valid_for_accelerate(path: Path) -> None:
    config = load_config_from_file(str(path))
    assert config.distributed_type == ("FSDP" if path.stem == "fsdp2" else "MULTI_GPU")
    if path.stem == "fsdp2":
        assert config.fsdp_config["fsdp_version"] == 2


def test_tracker_receives_settings_losses_and_samples(tiny_folder: Path, manifest: Path, tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    fields: dict[str, Any] = {"track": ["tensorboard"], "sample_every": 2, "sample_steps": 1, "train": {"steps": 2}}
    train_adapter(
        write_recipe(tmp_path / "recipe.yaml", tiny_folder, manifest, **fields), tmp_path / "out", device="cpu"
    )
    events = reader.EventAccumulator(
        str(next((tmp_path / "out" / "tracked" / "onestory").glob("events.*")).parent)
    ).Reload()
    assert [item.step for item in events.Scalars("loss")] == [1, 2]
    assert events.Tags()["images"]


def test_missing_tracker_is_rejected_before_any_work(
    tiny_folder: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    recipe = write_recipe(tmp_path / "recipe.yaml", tiny_folder, manifest, track=["wandb"])
    with pytest.raises(OnestoryError, match="wandb") as caught:
        train_adapter(recipe, tmp_path / "out", device="cpu")
    assert caught.value.code == "M514"
    assert not (tmp_path / "out").exists()
