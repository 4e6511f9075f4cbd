"""Films with trained adapters: every family of bases, warm starts, and rejected folders."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import load_file

from onestory_cli import cli
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.memory.conditioner import AdaptiveConditioner
from onestory_cli.memory.levels import LEVELS
from onestory_cli.models.catalog import find
from onestory_cli.models.load import load_model
from onestory_cli.training.adapter.base import Base
from onestory_cli.training.adapter.build import build_adapter
from onestory_cli.training.adapter.fit import fit
from onestory_cli.training.adapter.recipe import read_adapter_recipe
from onestory_cli.training.adapter.run import train_adapter
from tests.bases import write_base
from tests.training.adapter.conftest import write_recipe

CPU = torch.device("cpu")
STORY = """\
story: 1
title: Two shots
model: {model}
shots:
  - id: opening
    caption: A red fox stands on a beach.
  - id: return
    caption: The same fox waves.
"""


def rendered(folder: Path, model: Path, *options: str, more: str = "") -> tuple[ExitCode, str]:
    """The exit code and output of rendering a story of two shots, with `more` keys."""
    folder.mkdir(exist_ok=True)
    story = folder / "film.story.yaml"
    story.write_text(STORY.format(model=model) + more)
    err = io.StringIO()
    arguments = ["render", str(story), "--run", str(folder / "film.run"), "--device", "cpu", "--allow-outside"]
    arguments += options
    return cli.run(arguments, Console(stdout=io.StringIO(), stderr=err, color=False)), err.getvalue()


def remembered(folder: Path, shot: str) -> list[str]:
    """The sources of the frames that a shot remembers."""
    path = next((folder / "film.run" / "shots" / shot).glob("*/record.json"))
    return [item["source"] for item in json.loads(path.read_text())["memory"]["selected"]]


def latents(folder: Path, shot: str) -> bytes:
    return next((folder / "film.run" / "shots" / shot).glob("*/latents.safetensors")).read_bytes()


def fingerprint_of(folder: Path) -> str:
    return str(json.loads((folder / "film.run" / "run.json").read_text())["model"]["fingerprint"])


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("families")
    for family in ("i2v", "ti2v", "t2v-a14b"):
        write_base(folder / family, family)
    return folder


def trained(base: Path, manifest: Path, folder: Path, **fields: Any) -> Path:
    """The model folder of one training step on a base."""
    folder.mkdir()
    fields = {"train": {"steps": 1, "uniform_steps": 0, "first_frame": 1.0}, **fields}
    return train_adapter(write_recipe(folder / "recipe.yaml", base, manifest, **fields), folder / "out", device="cpu")


@pytest.mark.parametrize(("family", "delta"), [("i2v", "lora"), ("ti2v", "full")])
@pytest.mark.slow
def test_film_uses_trained_adapter(bases: Path, manifest: Path, tmp_path: Path, family: str, delta: str) -> None:
    model = trained(bases / family, manifest, tmp_path / "train", delta=delta)
    code, said = rendered(tmp_path / "film", model)
    assert code is ExitCode.DONE, said
    assert remembered(tmp_path / "film", "opening") == []
    assert remembered(tmp_path / "film", "return") == ["opening"] * 2
    code, said = rendered(tmp_path / "cached", model, "--cache", "context")
    assert code is ExitCode.DONE, said
    assert fingerprint_of(tmp_path / "film") != fingerprint_of(tmp_path / "cached")
    same = [latents(tmp_path / "film", shot) == latents(tmp_path / "cached", shot) for shot in ("opening", "return")]
    assert same == [True, False]  # the first shot has no context to reuse


@pytest.mark.slow
def test_context_cache_has_no_effect_on_isolated_context(bases: Path, manifest: Path, tmp_path: Path) -> None:
    memory = {"remembered": [3], "budgets": [2.0], "selector_width": 16, "queries": 2, "isolated_context": True}
    model = trained(bases / "ti2v", manifest, tmp_path / "train", memory=memory)
    code, said = rendered(tmp_path / "film", model)
    assert code is ExitCode.DONE, said
    assert "once per shot" not in said
    code, said = rendered(tmp_path / "asked", model, "--cache", "context")
    assert code is ExitCode.DONE, said
    assert "--cache context has no effect" in said
    assert fingerprint_of(tmp_path / "film") == fingerprint_of(tmp_path / "asked")
    assert remembered(tmp_path / "film", "return") == ["opening"] * 2


def test_two_experts_have_separate_adapters_and_one_selector(bases: Path, manifest: Path, tmp_path: Path) -> None:
    base = bases / "t2v-a14b"
    high = trained(base, manifest, tmp_path / "high", expert="high", delta="lora")
    code, said = rendered(tmp_path / "half", high)
    assert code is ExitCode.MACHINE
    assert 'no weights for "transformer_2"' in said, said
    both = trained(base, manifest, tmp_path / "low", expert="low", other_expert=str(high))
    weights = load_file(both / "adapter" / "adapter.safetensors")
    parts = {name.split(".")[0] for name in weights}
    assert parts == {"selector", "conditioner", "conditioner_2", "transformer"}
    first = load_file(high / "adapter" / "adapter.safetensors")
    assert all(torch.equal(weights[name], value) for name, value in first.items())
    code, said = rendered(tmp_path / "film", both)
    assert code is ExitCode.DONE, said
    assert remembered(tmp_path / "film", "return")


@pytest.mark.slow
def test_adapter_of_another_base_is_rejected(tiny_folder: Path, manifest: Path, tmp_path: Path) -> None:
    model = trained(tiny_folder, manifest, tmp_path / "train")
    card = json.loads((model / "onestory.json").read_text())

    def refusal(base: Path) -> str:
        (model / "onestory.json").write_text(json.dumps({**card, "base": str(base)}))
        code, said = rendered(tmp_path / "film", model)
        assert code is ExitCode.MACHINE
        assert "M520" in said
        return said

    renamed = tmp_path / "renamed"
    shutil.copytree(tiny_folder, renamed)
    assert 'was trained for "tiny-model", not for "renamed"' in refusal(renamed)
    config = json.loads((renamed / "transformer" / "config.json").read_text())
    other = tmp_path / "other" / "tiny-model"
    shutil.copytree(tiny_folder, other)
    WanTransformer3DModel.from_config({**config, "ffn_dim": 48}).save_pretrained(other / "transformer")
    assert 'does not fit the shapes of "tiny-model"' in refusal(other)
    moved = tmp_path / "moved" / "tiny-model"
    shutil.copytree(tiny_folder, moved)
    (model / "onestory.json").write_text(json.dumps({**card, "base": str(moved)}))
    assert rendered(tmp_path / "film", model)[0] is ExitCode.DONE


def test_loaded_weights_equal_trained_weights(tiny_folder: Path, manifest: Path, tmp_path: Path) -> None:
    folder = trained(tiny_folder, manifest, tmp_path / "train", delta="lora", lora={"rank": 2, "alpha": 4})
    model = load_model(find(str(folder)), "cpu")
    stored = load_file(folder / "adapter" / "adapter.safetensors")
    for name, value in stored.items():
        part, _, rest = name.partition(".")
        assert torch.equal(getattr(model, part).state_dict()[rest], value), name
    layer = model.transformer.blocks[0].attn1.to_q
    assert layer.scaling == {"memory": 2.0}
    assert layer.lora_B["memory"].weight.any()
    (folder / "adapter" / "config.json").write_text(
        (folder / "adapter" / "config.json").read_text().replace('"rank": 2', '"rank": 3')
    )
    with pytest.raises(OnestoryError, match="cannot read the weights"):
        load_model(find(str(folder)), "cpu")


@pytest.mark.parametrize("family", ["i2v", "ti2v"])
def test_new_adapter_reproduces_base_tokens_for_constant_input(
    bases: Path, manifest: Path, tmp_path: Path, family: str
) -> None:
    """The warm start: at every level, a patch of one colour becomes the token that the base computes for it."""
    path = write_recipe(tmp_path / "recipe.yaml", bases / family, manifest)
    recipe = read_adapter_recipe(path)
    base = Base(fit(recipe, path, tmp_path / "adapter").spec, CPU)
    model = build_adapter(recipe, base, frozen=torch.float32, relative_to=tmp_path)
    conditioner, embed = model.conditioner, model.transformer.patch_embedding
    assert isinstance(conditioner, AdaptiveConditioner)
    assert embed.weight.data_ptr() not in {item.data_ptr() for item in conditioner.parameters()}
    channels = base.spec.latent_channels
    frame = torch.randn(1, channels, 1, 1, generator=torch.Generator().manual_seed(0)).expand(1, channels, 8, 8)
    padded = torch.zeros(1, embed.in_channels, 1, 8, 8)
    padded[:, :channels, 0] = frame
    expected = embed(padded)[0, :, 0, 0, 0]
    for level in LEVELS:
        tokens = conditioner(frame[:, None], [level], embed)
        assert torch.allclose(tokens[0], expected.expand_as(tokens[0]), atol=1e-5)


def test_new_adapter_does_not_change_the_base(tiny_folder: Path, manifest: Path, tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "recipe.yaml", tiny_folder, manifest, delta="lora")
    recipe = read_adapter_recipe(path)
    base = Base(fit(recipe, path, tmp_path / "adapter").spec, CPU)
    adapted = build_adapter(recipe, base, frozen=torch.float32, relative_to=tmp_path).transformer
    inputs = (torch.randn(1, 16, 2, 8, 8), torch.tensor([500.0]), torch.randn(1, 4, 16))
    with torch.no_grad():
        assert torch.equal(adapted(*inputs).sample, base.transformer(torch.float32)(*inputs).sample)
