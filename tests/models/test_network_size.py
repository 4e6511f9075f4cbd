"""Networks that are larger than their weights are refused before memory is allocated for them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from onestory_cli.errors import OnestoryError
from onestory_cli.evaluation.videos.likeness import KINDS
from onestory_cli.models.adapter import apply_delta
from onestory_cli.models.catalog import find
from onestory_cli.models.load import load_model, load_transformer
from onestory_cli.models.network_loading import load_network
from onestory_cli.models.network_size import MAX_SETTINGS_BYTES, require_settings, require_size
from tests.security.model_values import bounded

CPU = torch.device("cpu")
GROWN: dict[str, tuple[str, dict[str, Any]]] = {
    "a wide feed-forward layer": ("transformer", {"ffn_dim": 2**20}),
    "many wide heads": ("transformer", {"num_attention_heads": 2**10, "attention_head_dim": 2**10}),
    "one wide head, whose rotary table is computed first": ("transformer", {"attention_head_dim": 2**20}),
    "wide text": ("transformer", {"text_dim": 2**20, "freq_dim": 2**20}),
    "wide channels of the VAE": ("vae", {"base_dim": 2**14}),
    "multiplied channels of the VAE": ("vae", {"dim_mult": [2**10] * 4}),
    "many blocks of the VAE": ("vae", {"dim_mult": [1] * 4000, "temperal_downsample": [False] * 4000}),
    "a large vocabulary": ("text_encoder", {"vocab_size": 2**20, "d_model": 2**12}),
    "a wide text encoder": ("text_encoder", {"d_ff": 2**20}),
}
FIRST, *REST = GROWN
NAMES = [FIRST, *(pytest.param(name, marks=pytest.mark.hostile) for name in REST)]


def grow(folder: Path, changed: dict[str, Any]) -> None:
    """Change a config."""
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))


@pytest.mark.parametrize("name", NAMES)
def test_a_config_larger_than_its_weights_is_refused(tiny_folder: Path, tmp_path: Path, name: str) -> None:
    part, changed = GROWN[name]
    shutil.copytree(tiny_folder, tmp_path / "model")
    grow(tmp_path / "model" / part, changed)
    spec = find(str(tmp_path / "model"))
    with bounded(seconds=30), pytest.raises(OnestoryError, match=r"config\.json") as caught:
        load_model(spec, "cpu")
    assert caught.value.code == "M503"


@pytest.mark.hostile
def test_a_config_next_to_a_single_file_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "model")
    part = tmp_path / "model" / "transformer"
    file = tmp_path / "single.safetensors"
    (part / "diffusion_pytorch_model.safetensors").rename(file)
    grow(part, {"ffn_dim": 2**20})
    spec = find(str(tiny_folder)).with_fields(base=str(tmp_path / "model"), transformer_file=str(file))
    with bounded(seconds=30), pytest.raises(ValueError, match="more parameters"):
        load_transformer(spec, "transformer", torch.float32)


@pytest.mark.parametrize("changed", [{"hidden_size": 2**16, "num_attention_heads": 1}, {"image_size": 2**19}])
def test_a_network_that_measures_is_refused(tmp_path: Path, changed: dict[str, int]) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "dinov2", "num_hidden_layers": 1} | changed))
    save_file({"a": torch.zeros(4)}, tmp_path / "model.safetensors")
    with bounded(seconds=30), pytest.raises(OnestoryError, match="more parameters") as caught:
        load_network(str(tmp_path), "embedder", KINDS, CPU)
    assert caught.value.code == "M532"


def test_a_network_of_many_empty_modules_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    save_file({"a": torch.zeros(4)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="more modules"):
        require_size(tmp_path, lambda: torch.nn.ModuleList(torch.nn.Identity() for _ in range(20_000)))
    with pytest.raises(ValueError, match="more buffers"):
        require_size(tmp_path, lambda: torch.nn.BatchNorm1d(2**23, affine=False))
    require_size(tmp_path, lambda: torch.nn.Linear(64, 64))


def test_settings_of_a_part_are_regular_files_of_limited_size(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").touch()
    os.truncate(tmp_path / "tokenizer.json", MAX_SETTINGS_BYTES + 1)
    with pytest.raises(ValueError, match=r"tokenizer\.json is larger than 64 MiB"):
        require_settings(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    os.mkfifo(tmp_path / "vocab.txt")
    with pytest.raises(ValueError, match=r"vocab\.txt is not a regular file"):
        require_settings(tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"size": {"height": 10**6, "width": 4}},
        {"crop_size": 10**6},
        {"image_processor": {"size": {"longest_edge": 10**6}}},
        {"image_processor_type": "Qwen2VLImageProcessor", "max_pixels": 10**9},
    ],
)
def test_pictures_are_not_scaled_beyond_all_sizes(tmp_path: Path, settings: dict[str, Any]) -> None:
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="is larger than"):
        require_settings(tmp_path)
    file.write_text(json.dumps({"image_processor_type": "Qwen2VLImageProcessor", "size": {"longest_edge": 2**24}}))
    require_settings(tmp_path)


@pytest.mark.hostile
def test_a_lora_of_an_adapter_cannot_state_a_rank_that_few_of_its_weights_have(
    tiny_folder: Path, tmp_path: Path
) -> None:
    transformer = load_transformer(find(str(tiny_folder)), "transformer", torch.float32)
    lora = {"rank": 2**20, "alpha": 1, "modules": ["to_q", "to_k"]}
    (tmp_path / "config.json").write_text(json.dumps({"delta": {"transformer": {"kind": "lora", "lora": lora}}}))
    save_file({"transformer.a.lora_A.weight": torch.zeros(2**20, 1)}, tmp_path / "adapter.safetensors")
    with bounded(seconds=30), pytest.raises(ValueError, match="a larger rank than"):
        apply_delta(tmp_path, transformer)
