"""The choice of an execution config as a table, and its effect on tiny models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from onestory_cli.errors import OnestoryError
from onestory_cli.models.catalog import find
from onestory_cli.models.fingerprint import fingerprint_of
from onestory_cli.models.load import load_model
from onestory_cli.models.offload.apply import device_memory
from onestory_cli.models.offload.config import (
    DeviceMemory,
    ExecutionConfig,
    ExecutionRequest,
    MemorySizes,
    choose_execution,
    device_bytes,
    parse_size,
)
from onestory_cli.models.offload.sizes import memory_sizes
from tests.bases import base_folder

__all__ = ["base_folder"]

GB = 10**9
# sizes for 832x480, 81 frames: Wan 2.1 1.3B and 14B, and Wan 2.2 A14B with two experts, in bf16
SMALL = MemorySizes(
    transformers=(3 * GB,), encoders=(11 * GB,), vae=GB // 2, step=1 * GB, decode=2 * GB, tiled_decode=GB
)
LARGE = replace(SMALL, transformers=(29 * GB,), step=5 * GB)
TWO = replace(LARGE, transformers=(29 * GB, 29 * GB))
ALL = frozenset({"torchao", "bitsandbytes"})


def card(gigabytes: float, host: float = 200, packages: frozenset[str] = ALL) -> DeviceMemory:
    return DeviceMemory(memory=int(gigabytes * GB), host=int(host * GB), packages=packages)


@pytest.mark.parametrize(
    ("sizes", "on", "chosen"),
    [
        (SMALL, card(80), "none"),
        (SMALL, card(24), "none"),
        (SMALL, card(16), "offload model"),
        (SMALL, card(8), "offload group"),
        (LARGE, card(80), "none"),
        (LARGE, card(48), "offload model"),
        (LARGE, card(24), "offload group"),
        (TWO, card(96), "none"),
        (TWO, card(80), "offload model"),
        (TWO, card(48), "offload model"),
        (TWO, card(24), "offload group"),
        (TWO, card(24, host=64), "offload model, storage fp8"),
        (TWO, card(24, host=35), "offload model, storage nf4"),
        (TWO, card(40, host=24), "storage nf4"),
        (SMALL, card(2.6), "offload group, vae tiling"),
    ],
)
def test_choose_execution(sizes: MemorySizes, on: DeviceMemory, chosen: str) -> None:
    fitting = choose_execution(sizes, on)
    assert str(fitting) == chosen
    assert device_bytes(sizes, fitting) < on.memory


def test_quantization_without_its_package_is_not_chosen() -> None:
    with pytest.raises(OnestoryError, match="does not fit into"):
        choose_execution(TWO, card(24, host=35, packages=frozenset()))


def test_a_request_restricts_the_choice() -> None:
    asked = ExecutionRequest(offload="model", storage="fp8", vae_tiling=True, attention="flash", compile_blocks=True)
    expected = "offload model, storage fp8, vae tiling, attention flash, compiled blocks"
    assert str(choose_execution(SMALL, card(80), asked)) == expected
    assert str(choose_execution(LARGE, card(24), ExecutionRequest(storage="nf4"))) == "offload model, storage nf4"
    with pytest.raises(OnestoryError):
        choose_execution(LARGE, card(24), ExecutionRequest(offload="none", storage="none"))


def test_on_a_cpu_only_the_request_counts() -> None:
    processor = DeviceMemory(memory=GB, host=GB, gpu=False)
    assert choose_execution(TWO, processor) == ExecutionConfig()
    assert choose_execution(TWO, processor, ExecutionRequest(storage="fp8")) == ExecutionConfig(storage="fp8")


@pytest.mark.parametrize(
    ("text", "size"),
    [("auto", None), ("24", 24 * GB), ("24GB", 24 * GB), ("1.5 gb", 3 * GB // 2), ("8GiB", 2**33), ("500MB", GB // 2)],
)
def test_valid_memory_sizes(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-3", "0", "nan", "1e400GB"])
def test_invalid_memory_sizes(text: str) -> None:
    with pytest.raises(OnestoryError, match="invalid memory size"):
        parse_size(text)


def test_the_fingerprint_contains_only_options_that_change_bytes(base_folder: Callable[[str], Path]) -> None:
    spec = find(str(base_folder("t2v")))
    prints = [
        fingerprint_of(replace(spec, execution=fitting))
        for fitting in (
            ExecutionConfig(),
            ExecutionConfig(offload="group"),
            ExecutionConfig(storage="fp8"),
            ExecutionConfig(vae_tiling=True),
        )
    ]
    assert prints[0] == prints[1] == fingerprint_of(spec)
    assert len(set(prints)) == 3


def test_sizes_equal_those_of_the_loaded_parts(base_folder: Callable[[str], Path]) -> None:
    spec = replace(find(str(base_folder("t2v-a14b"))), dtype="float32")
    sizes, model = memory_sizes(spec, frames=5, width=64, height=64), load_model(spec, "cpu")
    loaded = [sum(value.numel() * 4 for value in part.parameters()) for part in model.denoiser.transformers]
    assert list(sizes.transformers) == loaded
    assert sizes.vae == sum(value.numel() * 4 for value in model.codec.vae.parameters())


def test_options_are_applied(base_folder: Callable[[str], Path]) -> None:
    fitting = ExecutionConfig(storage="fp8", vae_tiling=True, attention="native")
    model = load_model(replace(find(str(base_folder("t2v"))), execution=fitting), "cpu")
    assert model.codec.vae.use_tiling
    assert model.transformer.blocks[0].attn1.to_q.weight.dtype == torch.float8_e4m3fn
    assert model.transformer.patch_embedding.weight.dtype == torch.float32
    assert model.denoiser.environment()["fitting"] == "storage fp8, vae tiling, attention native"


def test_an_unknown_attention_is_refused(base_folder: Callable[[str], Path]) -> None:
    spec = replace(find(str(base_folder("t2v"))), execution=ExecutionConfig(attention="of-mine"))
    with pytest.raises(OnestoryError, match="cannot use attention"):
        load_model(spec, "cpu")


def test_a_cpu_is_not_a_gpu() -> None:
    assert not device_memory(torch.device("cpu"), limit=GB).gpu
