"""Configs whose numbers do not fit their weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.models.catalog import find
from onestory_cli.models.config_limits import excess
from onestory_cli.models.folder import missing_parts
from onestory_cli.models.load import load_model
from onestory_cli.models.weights_header import TensorInfo
from tests.security.model_values import INDEX, TRANSFORMER, VAE, WEIGHTS, bounded

TENSORS = {f"blocks.{number}.weight": TensorInfo(dtype="F32", shape=(64, 64)) for number in range(4)}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ""),
        ({"num_layers": 5}, "num_layers 5 is too large for its weights"),
        ({"num_layers": 10**400}, f"num_layers 1{'0' * 19} is too large for its weights"),
        ({"ffn_dim": 2**31}, "ffn_dim 2147483648 is too large for its weights"),
        ({"ffn_dim": -(2**31)}, "ffn_dim -2147483648 is too large for its weights"),
        ({"rope_max_seq_len": 2**20}, "rope_max_seq_len 1048576 is too large for its weights"),
        ({"text": {"num_hidden_layers": 99}}, "text.num_hidden_layers 99 is too large for its weights"),
        ({"vace_layers": [0, 1]}, ""),
        ({"dim_mult": [1] * 5000}, "dim_mult has 5000 entries"),
        ({"name": "10000000", "share": True}, ""),
    ],
)
def test_numbers_must_fit_the_weights(changed: dict[str, Any], expected: str) -> None:
    assert excess(TRANSFORMER | changed, TENSORS) == expected


def test_a_folder_with_such_a_config_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps(INDEX | {"vae": ["diffusers", "AutoencoderKLWan"]}))
    for part, config in (("transformer", TRANSFORMER | {"num_layers": 1}), ("vae", VAE | {"num_res_blocks": 10**6})):
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text(json.dumps(config))
        (tmp_path / part / "w.safetensors").write_bytes(WEIGHTS)
    assert missing_parts(tmp_path) == ("vae/config.json (num_res_blocks 1000000 is too large for its weights)",)


@pytest.mark.slow
@pytest.mark.parametrize("changed", [{"width": 2**15}, {"queries": 2**19}, {"times": 2**19}])
def test_an_adapter_with_large_sizes_is_refused_before_memory_is_allocated(
    tiny_folder: Path, tmp_path: Path, changed: dict[str, int]
) -> None:
    shutil.copytree(tiny_folder, tmp_path / "model")
    spec = find(str(tmp_path / "model"))
    file = Path(spec.files.adapter) / "config.json"
    config = json.loads(file.read_text())
    config["selector"] |= changed
    file.write_text(json.dumps(config))
    with bounded(seconds=30), pytest.raises(OnestoryError) as caught:
        load_model(spec, "cpu")
    assert caught.value.code == "M503"
