"""Memory estimates from parameter shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel, WanVACETransformer3DModel

from onestory_cli.models.bases import BASES, T2V_1_3B, T2V_14B, T2V_A14B, VACE_1_3B
from onestory_cli.models.catalog import find
from onestory_cli.models.load import load_model
from onestory_cli.models.offload.config import DeviceMemory, ExecutionRequest, choose_execution
from onestory_cli.models.offload.estimate import (
    PROGRAM_BYTES,
    MemoryEstimate,
    default_workload,
    estimate_memory,
    with_device_dtype,
)
from onestory_cli.models.offload.sizes import PUBLISHED, PartSizes, local_parts, memory_sizes, published_parts
from onestory_cli.models.spec import ModelSpec
from tests.bases import base_folder

__all__ = ["base_folder"]

GB = 10**9


def card(gigabytes: float, host: float = 200) -> DeviceMemory:
    return DeviceMemory(memory=int(gigabytes * GB), host=int(host * GB))


def published(spec: ModelSpec) -> PartSizes:
    parts = published_parts(spec)
    assert parts
    return parts


def outlook(spec: ModelSpec, on: DeviceMemory) -> MemoryEstimate:
    spec = with_device_dtype(spec, on)
    return estimate_memory(spec, published(spec), default_workload(spec), on, ExecutionRequest())


@pytest.mark.parametrize("name", BASES)
def test_published_parts_add_up_to_the_catalog_size(name: str) -> None:
    total = sum(published(BASES[name]).sizes.values()) / GB
    assert BASES[name].memory_gb - 1 < total < BASES[name].memory_gb + 0.5


def test_published_counts_equal_those_of_the_classes() -> None:
    small = {"num_attention_heads": 12, "attention_head_dim": 128, "ffn_dim": 8960, "num_layers": 30, "text_dim": 4096}
    with torch.device("meta"):
        plain = WanTransformer3DModel(**small)
        vace = WanVACETransformer3DModel(**small, vace_layers=list(range(0, 30, 2)), vace_in_channels=96)
        vae = AutoencoderKLWan()
    count = PUBLISHED[T2V_1_3B.files.hub]
    assert (count.transformer, count.width) == (numbers(plain), 12 * 128)
    assert count.vae == numbers(vae)
    count = PUBLISHED[VACE_1_3B.files.hub]
    assert (count.transformer, count.hints) == (numbers(vace), len(vace.config.vace_layers))


def numbers(module: torch.nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


@pytest.mark.parametrize("family", ["t2v", "i2v", "vace", "ti2v", "i2v-a14b"])
def test_local_parts_equal_those_of_the_loaded_model(base_folder: Callable[[str], Path], family: str) -> None:
    spec = replace(find(str(base_folder(family))), dtype="float32")
    parts, model = local_parts(spec), load_model(spec, "cpu")
    modules = {"text_encoder": model.text.encoder, "vae": model.codec.vae}
    modules |= dict(zip(("transformer", "transformer_2"), model.denoiser.transformers, strict=False))
    modules |= {"image_encoder": model.image_encoder.encoder} if model.image_encoder else {}
    loaded = {name: sum(value.numel() * 4 for value in module.parameters()) for name, module in modules.items()}
    # an embedding shared by two modules is stored and counted once
    assert parts.sizes == loaded
    assert parts.width == model.transformer.patch_embedding.out_channels


def test_both_experts_are_counted() -> None:
    assert published(T2V_A14B).sizes["transformer_2"] == published(T2V_14B).sizes["transformer"]


def test_a_gguf_file_counts_its_file_size(tmp_path: Path) -> None:
    file = tmp_path / "small.gguf"
    file.write_bytes(b"\0" * 1234)
    assert published(T2V_14B.with_fields(transformer_file=str(file))).sizes["transformer"] == 1234


@pytest.mark.parametrize(
    ("spec", "on", "ways"),
    [
        (T2V_1_3B, card(24), ["none"]),
        (T2V_14B, card(80), ["none"]),
        (T2V_14B, card(40), ["none", "offload model"]),
        (T2V_14B, card(24), ["none", "offload model", "offload group"]),
    ],
)
def test_candidates_end_with_the_first_that_fits(spec: ModelSpec, on: DeviceMemory, ways: list[str]) -> None:
    found = outlook(spec, on)
    assert [way.fitting for way in found.ways] == ways
    assert [way.fits for way in found.ways] == [False] * (len(ways) - 1) + [True]
    work = found.work
    sizes = memory_sizes(
        spec, frames=work.frames, width=work.width, height=work.height, context=work.context, parts=published(spec)
    )
    assert found.chosen == str(choose_execution(sizes, on))
    assert found.fits


def test_nothing_is_chosen_if_nothing_fits() -> None:
    found = outlook(T2V_14B, card(4))
    assert found.chosen is None
    assert not found.fits
    assert found.ways[-1].card > found.usable


def test_loading_needs_host_memory() -> None:
    found = outlook(T2V_14B, card(80, host=32))
    assert found.chosen == "none"
    assert found.loading > found.host
    assert not found.fits


def test_the_config_for_a_gpu_is_named_even_if_the_ram_is_too_small() -> None:
    """Offloading 41 GB of weights to 24 GB of RAM is impossible; the GPU is not the reason."""
    found = outlook(T2V_14B, card(24, host=24))
    assert found.chosen == "offload group"
    assert not any(way.fits for way in found.ways)
    assert not found.ram_fits
    assert not found.fits
    assert found.ram > 24 * GB


def test_a_cpu_computes_in_float32_without_offload() -> None:
    processor = DeviceMemory(memory=200 * GB, host=200 * GB, gpu=False)
    found = outlook(T2V_14B, processor)
    assert found.parts["transformer"] == 2 * outlook(T2V_14B, card(80)).parts["transformer"]
    assert found.ways[0].machine == sum(found.parts.values()) + max(found.step, found.decode) + PROGRAM_BYTES
    assert found.fits
    assert not outlook(T2V_14B, replace(processor, memory=90 * GB)).fits


def test_context_tokens_increase_the_step() -> None:
    parts, size = published(VACE_1_3B), {"frames": 81, "width": 832, "height": 480}
    alone, remembering = (
        memory_sizes(VACE_1_3B, **size, context=context, parts=parts).step for context in (0, 3 * 1560)
    )
    assert remembering / alone == pytest.approx((21 + 3) / 21)
    assert default_workload(VACE_1_3B).context == 3 * 1560
