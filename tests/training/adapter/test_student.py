"""A trained student: its files, the film that it renders, and bases of every family."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Event, StageStarted, TrainingProgress
from onestory_cli.models.adapter import STUDENT
from onestory_cli.training.adapter.run import train_adapter
from onestory_cli.training.adapter.student import lora_state
from tests.bases import write_base
from tests.training.adapter.conftest import STUDENT_RECIPE, write_recipe
from tests.training.adapter.test_render import rendered


def test_lora_file_has_the_names_of_diffusers_and_a_scale_of_one() -> None:
    weights = {f"transformer.blocks.0.attn1.to_q.lora_{half}.{STUDENT}.weight": torch.ones(2, 2) for half in "AB"}
    state = lora_state(weights, scale=2.0)
    assert {name: float(value[0, 0]) for name, value in state.items()} == {
        "transformer.blocks.0.attn1.to_q.lora_A.weight": 1.0,
        "transformer.blocks.0.attn1.to_q.lora_B.weight": 2.0,
    }


def log_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) | {"seconds": 0} for line in (out / "log.jsonl").read_text().splitlines()]


def takes_with(file: Path, model: Path, folder: Path) -> list[dict[str, Any]]:
    """Render with the profile of a student's README; the records of the takes."""
    profile = (file.parent / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    code, said = rendered(folder, model, "--profile", "fast", more=profile)
    assert code is ExitCode.DONE, said
    return [json.loads(path.read_text()) for path in sorted(folder.glob("film.run/shots/*/*/record.json"))]


@pytest.fixture(scope="module")
def trained(tiny_folder: Path, manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a distillation of a base without memory adapter."""
    folder = tmp_path_factory.mktemp("distilled")
    fields = {**STUDENT_RECIPE, "sample_every": 2, "cache": "shared"}
    recipe = write_recipe(folder / "recipe.yaml", tiny_folder, manifest, **fields)
    assert train_adapter(recipe, folder / "out", device="cpu") == folder / "out/lora/pytorch_lora_weights.safetensors"
    return folder


def test_film_with_the_profile_of_the_student(trained: Path, tiny_folder: Path, tmp_path: Path) -> None:
    out = trained / "out"
    assert sorted(path.name for path in out.iterdir()) == ["checkpoints", "log.jsonl", "lora", "samples"]
    assert [path.name for path in (out / "samples").glob("*.png")] == ["distil-000002.png"]
    assert all(set(line) <= {"stage", "step", "seconds", "loss", "step_1", "step_2", "step_3"} for line in log_of(out))
    file = out / "lora" / "pytorch_lora_weights.safetensors"
    assert all(name.startswith("transformer.blocks.") for name in load_file(file))
    takes = takes_with(file, tiny_folder, tmp_path / "film")
    sampling = [[take["spec"][key] for key in ("steps", "guidance", "scheduler", "shift")] for take in takes]
    assert sampling == [[3, 1.0, "euler", 3.0]] * 2
    readme = (file.parent / "README.md").read_text()
    assert "base_model: tiny-model" in readme
    assert "Relevance" not in readme


@pytest.mark.train
def test_killed_distillation_resumes_to_identical_bytes(trained: Path, tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, TrainingProgress) and event.step == 2:
            raise KeyboardInterrupt  # after the checkpoint of step 1

    recipe, heard = trained / "recipe.yaml", list[Event]()
    with pytest.raises(KeyboardInterrupt):
        train_adapter(recipe, tmp_path, stop, device="cpu")
    file = train_adapter(recipe, tmp_path, heard.append, device="cpu")
    assert [event.step for event in heard if isinstance(event, StageStarted)] == [1]
    assert file.read_bytes() == (trained / "out" / "lora" / file.name).read_bytes()
    assert log_of(tmp_path) == log_of(trained / "out")


def test_checkpoint_of_another_distillation_is_rejected(trained: Path, tiny_folder: Path, manifest: Path) -> None:
    fields = {**STUDENT_RECIPE, "cache": "shared", "distil": {**STUDENT_RECIPE["distil"], "guidance": 4.0}}
    recipe = write_recipe(trained / "changed.yaml", tiny_folder, manifest, **fields)
    with pytest.raises(OnestoryError, match="changed: distil") as caught:
        train_adapter(recipe, trained / "out", device="cpu")
    assert caught.value.code == "T605"


@pytest.mark.train
def test_loss_of_the_student_falls(tiny_folder: Path, manifest: Path, trained: Path, tmp_path: Path) -> None:
    train = {"steps": 60, "batch": 2, "rate": 0.003, "uniform_steps": 0, "warmup": 5}
    lora = {"rank": 8, "alpha": 8, "modules": ["to_q", "to_k", "to_v", "to_out.0", "net.0.proj", "net.2", "proj_out"]}
    fields = {**STUDENT_RECIPE, "train": train, "lora": lora, "cache": str(trained / "shared")}
    fields["checkpoint_every"] = 60
    train_adapter(write_recipe(tmp_path / "r.yaml", tiny_folder, manifest, **fields), tmp_path / "out", device="cpu")
    losses = [line["loss"] for line in log_of(tmp_path / "out")]
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


@pytest.mark.train
@pytest.mark.parametrize(("family", "expert"), [("i2v", ""), ("ti2v", ""), ("t2v-a14b", "high"), ("i2v-a14b", "low")])
def test_every_family_of_bases_can_be_distilled(manifest: Path, tmp_path: Path, family: str, expert: str) -> None:
    base = write_base(tmp_path / family, family)
    fields = {**STUDENT_RECIPE, "expert": expert, "data": {"manifest": str(manifest), "validation": 0.3}}
    fields |= {"distil": {"steps": 3, "shift": 5.0}, "sample_every": 0 if expert else 2}
    recipe = write_recipe(tmp_path / "recipe.yaml", base, manifest, **fields)
    file = train_adapter(recipe, tmp_path / "out", device="cpu")
    assert any(value.any() for name, value in load_file(file).items() if ".lora_B." in name)
    assert log_of(tmp_path / "out")[-1].keys() >= {"loss", "validation"}
    if family in ("ti2v", "t2v-a14b"):  # the others need a picture
        assert [take["spec"]["steps"] for take in takes_with(file, base, tmp_path / "film")] == [3, 3]


@pytest.mark.train
@pytest.mark.parametrize("delta", ["lora", "full"])
def test_student_of_a_memory_adapter_remembers(tiny_folder: Path, manifest: Path, tmp_path: Path, delta: str) -> None:
    """The adapter is frozen, and part of student and teacher."""
    recipe = write_recipe(tmp_path / "adapter.yaml", tiny_folder, manifest, delta=delta, lora={"rank": 2, "alpha": 2})
    adapter = train_adapter(recipe, tmp_path / "adapter", device="cpu")
    before = (adapter / "adapter" / "adapter.safetensors").read_bytes()
    fields = {**STUDENT_RECIPE, "distil": {"steps": 3, "memory_guidance": 1.0}, "train": {"steps": 6, "alone": 0.3}}
    fields["train"] |= {"uniform_steps": 0}
    recipe = write_recipe(tmp_path / "recipe.yaml", adapter, manifest, **fields)
    file = train_adapter(recipe, tmp_path / "out", device="cpu")
    assert {name.split(".")[0] for name in load_file(file)} == {"transformer"}
    assert (adapter / "adapter" / "adapter.safetensors").read_bytes() == before
    takes = takes_with(file, adapter, tmp_path / "film")
    assert {item["source"] for take in takes for item in take["memory"]["selected"]} == {"opening"}
