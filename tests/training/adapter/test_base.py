"""The transformer of a process that gets its weights from the first one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from onestory_cli.models.transformer import MemoryWanTransformer
from onestory_cli.training.adapter.base import empty_transformer

STATUS = Path("/proc/self/status")


def resident_bytes() -> int:
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def test_an_empty_transformer_has_the_layout_of_the_folder(tiny_folder: Path) -> None:
    folder = tiny_folder / "transformer"
    wanted = MemoryWanTransformer.from_pretrained(folder)
    types = {name: value.dtype for name, value in wanted.named_parameters()}
    types["patch_embedding.weight"] = torch.bfloat16
    found = empty_transformer(folder, types)
    assert {name: value.shape for name, value in found.named_parameters()} == {
        name: value.shape for name, value in wanted.named_parameters()
    }
    assert {name: value.dtype for name, value in found.named_parameters()} == types
    assert len({value.data_ptr() for value in found.parameters()}) == len(types)
    buffers = dict(wanted.named_buffers())
    assert buffers
    for name, value in found.named_buffers():
        assert torch.equal(value, buffers[name])


@pytest.mark.skipif(not STATUS.exists(), reason="reads /proc")
def test_an_empty_transformer_takes_no_memory(tiny_folder: Path, tmp_path: Path) -> None:
    config = json.loads((tiny_folder / "transformer" / "config.json").read_text())
    config |= {"num_attention_heads": 8, "attention_head_dim": 128, "ffn_dim": 4096, "num_layers": 4}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with torch.device("meta"):
        names = [name for name, _ in MemoryWanTransformer.from_config(config).named_parameters()]
    before = resident_bytes()
    model = empty_transformer(tmp_path, dict.fromkeys(names, torch.float32))
    assert sum(value.nbytes for value in model.parameters()) > 250e6
    assert resident_bytes() - before < 25e6
