"""Trackers, and several processes as `accelerate launch` starts them."""

from __future__ import annotations

import json
import os
import re
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


def train_sharded(recipe: Path, out: Path, *, stop_at: int = 0) -> subprocess.CompletedProcess[str]:
    """Train with weights sharded over two processes; `stop_at` kills them after the report of that step."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ONESTORY_STOP_AT": str(stop_at)}
    program = str(Path(__file__).with_name("sharded_train.py"))
    command = [*launch, program, str(recipe), str(out)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.train
def test_sharded_training_with_mixed_budgets_resumes_to_identical_bytes(
    tiny_folder: Path, manifest: Path, tmp_path: Path
) -> None:
    """A budget of 1 does not use the finest patchifier here, a budget of 2 does."""
    fields: dict[str, Any] = {
        "delta": "full",
        "cache": "shared",
        "checkpoint_every": 2,
        "memory": {"remembered": [3], "budgets": [1.0, 2.0], "selector_width": 16, "queries": 2},
        "train": {"alone": 0.0, "batch": 1},
    }
    recipe = write_recipe(tmp_path / "recipe.yaml", tiny_folder, manifest, **fields)
    whole = train_sharded(recipe, tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    assert re.findall(r"READS (\d)", whole.stdout) == ["0"]
    killed = train_sharded(recipe, tmp_path / "killed", stop_at=3)
    assert killed.returncode != 0
    assert [path.name for path in (tmp_path / "killed" / "checkpoints").iterdir()] == ["step-000002"]
    shards = sorted((tmp_path / "killed" / "checkpoints" / "step-000002").glob("*.safetensors"))
    sizes = [path.stat().st_size for path in shards]
    assert len(sizes) == 2
    assert max(sizes) < 1.2 * min(sizes)
    resumed = train_sharded(recipe, tmp_path / "killed")
    assert resumed.returncode == 0, resumed.stderr
    weights = [tmp_path / name / "model" / "adapter" / "adapter.safetensors" for name in ("whole", "killed")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "killed" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]


@pytest.mark.train
def test_sharded_distillation_of_an_adapter_resumes_to_identical_bytes(
    tiny_folder: Path, manifest: Path, tmp_path: Path
) -> None:
    adapter = write_recipe(tmp_path / "adapter.yaml", tiny_folder, manifest, delta="lora", lora={"rank": 2, "alpha": 2})
    fields: dict[str, Any] = {
        "delta": "lora",
        "cache": "shared",
        "distil": {"steps": 3, "guidance": 3.0},
        "train": {"alone": 0.3, "uniform_steps": 0},
    }
    base = train_adapter(adapter, tmp_path / "adapter", device="cpu")
    recipe = write_recipe(tmp_path / "recipe.yaml", base, manifest, **fields)
    whole = train_sharded(recipe, tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    assert train_sharded(recipe, tmp_path / "killed", stop_at=3).returncode != 0
    resumed = train_sharded(recipe, tmp_path / "killed")
    assert resumed.returncode == 0, resumed.stderr
    weights = [tmp_path / name / "lora" / "pytorch_lora_weights.safetensors" for name in ("whole", "killed")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


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
