"""Train an adapter from a recipe that names a base to a model folder that renders shots."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from onestory_cli.errors import OnestoryError
from onestory_cli.events import DataPrepared, Event, StageStarted, TrainingProgress, Warned
from onestory_cli.models.catalog import find
from onestory_cli.models.load import load_conditioner
from onestory_cli.training.adapter.run import train_adapter
from tests.bases import write_base
from tests.training.adapter.conftest import write_recipe

LORA: dict[str, Any] = {
    "seed": 1,  # its second step has no memory
    "delta": "lora",
    "lora": {"rank": 2, "alpha": 2},
    "sample_every": 2,
    "sample_steps": 1,
    "train": {"alone": 0.5, "accumulate": 2},
}


@pytest.fixture(scope="module")
def trained(tiny_folder: Path, manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted training with a LoRA."""
    folder = tmp_path_factory.mktemp("trained")
    recipe = write_recipe(folder / "recipe.yaml", tiny_folder, manifest, cache="shared", **LORA)
    assert train_adapter(recipe, folder / "out", device="cpu") == folder / "out" / "model"
    return folder


def test_training_writes_model_folder_log_and_pictures(trained: Path) -> None:
    out = trained / "out"
    assert sorted(path.relative_to(out / "model").as_posix() for path in (out / "model").rglob("*.*")) == [
        "adapter/README.md",
        "adapter/adapter.safetensors",
        "adapter/config.json",
        "onestory.json",
    ]
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert {name for line in lines for name in line} >= {"loss", "flow_memory", "flow_alone", "selection"}
    assert sorted(path.name for path in (out / "samples").glob("*.png")) == ["adapter-000002.png", "adapter-000004.png"]
    assert Image.open(out / "samples" / "adapter-000002.png").size == (4 * 64, 3 * 64)


def test_only_adapter_weights_are_saved_and_card_names_the_base(trained: Path) -> None:
    adapter = trained / "out" / "model" / "adapter"
    weights = load_file(adapter / "adapter.safetensors")
    assert {name.split(".")[0] for name in weights} == {"selector", "conditioner", "transformer"}
    assert all(".lora_" in name for name in weights if name.startswith("transformer."))
    config = json.loads((adapter / "config.json").read_text())
    assert config["delta"]["transformer"]["kind"] == "lora"
    assert config["base"]["name"] == "tiny-model"
    card = (adapter / "README.md").read_text()
    assert "3 videos with 7 shots" in card
    assert "| flow_memory |" in card
    assert "base_model: tiny-model" in card


@pytest.mark.slow
def test_killed_training_resumes_to_identical_bytes(trained: Path, tmp_path: Path) -> None:
    recipe = trained / "recipe.yaml"

    def stop(event: Event) -> None:
        if isinstance(event, TrainingProgress) and event.step == 3:
            raise KeyboardInterrupt  # after the checkpoint of step 2

    with pytest.raises(KeyboardInterrupt):
        train_adapter(recipe, tmp_path, stop, device="cpu")
    heard: list[Event] = []
    train_adapter(recipe, tmp_path, heard.append, device="cpu")
    assert [event.step for event in heard if isinstance(event, StageStarted)] == [2]
    name = Path("model/adapter/adapter.safetensors")
    assert (tmp_path / name).read_bytes() == (trained / "out" / name).read_bytes()
    losses = [json.loads(line) | {"seconds": 0} for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    expected = [json.loads(line) | {"seconds": 0} for line in (trained / "out/log.jsonl").read_text().splitlines()]
    assert losses == expected


@pytest.mark.slow
def test_cached_shots_are_not_encoded_again(trained: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (trained / "shared").iterdir()}
    heard: list[Event] = []
    train_adapter(trained / "recipe.yaml", tmp_path, heard.append, device="cpu")
    assert not [event for event in heard if isinstance(event, DataPrepared)]
    assert {path: path.stat().st_mtime_ns for path in (trained / "shared").iterdir()} == before


def test_checkpoint_of_another_recipe_is_rejected(trained: Path, tiny_folder: Path, manifest: Path) -> None:
    changed = {**LORA, "train": {**LORA["train"], "rate": 0.5}, "seed": 3, "log_every": 2}
    recipe = write_recipe(trained / "changed.yaml", tiny_folder, manifest, cache="shared", **changed)
    with pytest.raises(OnestoryError) as caught:
        train_adapter(recipe, trained / "out", device="cpu")
    assert caught.value.code == "T605"
    assert caught.value.message.endswith("(changed: train, seed)")


@pytest.mark.slow
def test_levels_of_the_recipe_are_those_of_the_model(
    trained: Path, tiny_folder: Path, manifest: Path, tmp_path: Path
) -> None:
    memory = {"remembered": [3], "budgets": [0.5], "selector_width": 16, "queries": 2, "levels": [2, 3, 8]}
    fields: dict[str, Any] = {"cache": str(trained / "shared"), "memory": memory, "train": {"steps": 1}}
    heard: list[Event] = []
    recipe = write_recipe(tmp_path / "recipe.yaml", tiny_folder, manifest, **fields)
    model = train_adapter(recipe, tmp_path / "out", heard.append, device="cpu")
    assert [event.code for event in heard if isinstance(event, Warned)] == ["W332"]
    spec = find(str(model), relative_to=tmp_path)
    assert [level.patch for level in spec.levels] == [2, 3, 8]
    assert sorted(load_conditioner(model / "adapter").patchifiers) == ["coarse", "detail", "fine"]


@pytest.mark.parametrize("delta", ["none", "full"])
def test_recipe_selects_the_kind_of_delta(
    trained: Path, tiny_folder: Path, manifest: Path, tmp_path: Path, delta: str
) -> None:
    fields = {"delta": delta, "cache": str(trained / "shared"), "dtype": "bfloat16", "train": {"steps": 1}}
    fields |= {"sample_every": 1, "sample_steps": 1}
    model = train_adapter(write_recipe(tmp_path / "recipe.yaml", tiny_folder, manifest, **fields), tmp_path / "out")
    weights = load_file(model / "adapter" / "adapter.safetensors")
    kinds = {name.split(".")[0]: value.dtype for name, value in weights.items()}
    expected = {"selector": torch.float32, "conditioner": torch.float32, "transformer": torch.bfloat16}
    assert kinds == {part: kind for part, kind in expected.items() if delta == "full" or part != "transformer"}


def test_card_states_isolated_context(trained: Path, manifest: Path, tmp_path: Path) -> None:
    memory = {"remembered": [3], "budgets": [2.0], "selector_width": 16, "queries": 2, "isolated_context": True}
    base = write_base(tmp_path / "ti2v", "ti2v")
    recipe = write_recipe(tmp_path / "recipe.yaml", base, manifest, memory=memory, train={"steps": 1})
    model = train_adapter(recipe, tmp_path / "out", device="cpu")
    assert json.loads((model / "onestory.json").read_text())["isolated_context"] is True
    assert find(str(model)).caches_context
    assert not find(str(trained / "out" / "model")).caches_context


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": [64, 40]}, "size: width and height must be multiples of 16, not 64x40"),
        ({"frames": 8}, "frames: must be 4k"),
        ({"frames": 21}, "not 21"),
    ],
)
def test_sizes_that_the_base_does_not_support_are_rejected_before_any_work(
    tiny_folder: Path, manifest: Path, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml", tiny_folder, manifest, **fields)
    with pytest.raises(OnestoryError, match=message) as caught:
        train_adapter(recipe, tmp_path / "out")
    assert caught.value.code == "T601"
    assert not (tmp_path / "out").exists()


@pytest.mark.train
def test_all_options_of_data_and_memory_train_together(manifest: Path, tmp_path: Path) -> None:
    """On a base that reads first frames: shots of 5 and 9 frames in one or two windows, negatives and noise."""
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    times = [[0, 0.35, 1.25], [0, 0.6, 0.95, 1.8], [0, 0.6, 1.2]]
    for line, cuts in zip(lines, times, strict=True):
        line["video"] = str(manifest.parent / line["video"])
        for shot, (start, end) in zip(line["shots"], pairwise(cuts), strict=True):
            shot |= {"start": start, "end": end}
    (tmp_path / "shots.jsonl").write_text("\n".join(map(json.dumps, lines)))
    fields: dict[str, Any] = {
        "data": {"manifest": "shots.jsonl", "validation": 0.3, "windows": 2},
        "size": [64, 64],
        "fps": 16,
        "frames": 9,
        "buckets": [5, 9],
        "checkpoint_every": 4,
        "memory": {"remembered": [3], "budgets": [2.0], "selector_width": 16, "queries": 2}
        | {"noise": 0.4, "noise_min": 0.1, "negatives": 0.5},
    }
    base = write_base(tmp_path / "i2v", "i2v")
    recipe = write_recipe(tmp_path / "recipe.yaml", base, manifest, **fields)
    model = train_adapter(recipe, tmp_path / "out", device="cpu")
    log = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [1, 2, 3, 4]
    assert all(math.isfinite(line["flow_memory"]) for line in log)
    assert "Each shot has 5 or 9 frames" in (model / "adapter" / "README.md").read_text()


@pytest.mark.train
def test_a_set_replaces_the_data_and_validates(tiny_folder: Path, manifest: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml", tiny_folder, Path("elsewhere.jsonl"), checkpoint_every=2)
    train_adapter(recipe, tmp_path / "out", device="cpu", data=manifest.parent)
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert ["validation" in line for line in lines] == [False, True, False, True]
    assert {"validation_flow", "validation_selection", "validation_recall", "recall"} <= set(lines[-1])
    assert 0 <= lines[-1]["validation_recall"] <= 1
    assert "--data" in (tmp_path / "out" / "model" / "adapter" / "README.md").read_text()
