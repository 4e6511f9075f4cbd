"""A film with a LoRA of any naming is the film of diffusers' pipeline with `load_lora_weights`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import WanPipeline, WanTransformer3DModel
from safetensors.torch import save_file
from torch import Tensor

from onestory_cli.generation.shot import generate_shot
from onestory_cli.models.catalog import find
from onestory_cli.models.load import load_model
from onestory_cli.models.lora import apply_loras
from onestory_cli.models.model import LoadedModel
from tests.bases import base_folder
from tests.generation.test_conditions import bank_of, job, pipeline, stock
from tests.models.test_lora_file import ALPHA, OWN, RANK, STYLES, WEIGHT, A, B, Lora, named, spec_with

__all__ = ["base_folder"]

# Namings that the loader of diffusers 0.42.1 refuses, ignores or misreads. It gets the same weights in its own naming.
ONLY_OURS = {
    "diffusers with adapter name",
    "bare diffusers",
    "bare",
    "DiffSynth",
    "peft",
    "peft of diffusers",
    "musubi",
    "kohya of diffusers",
}


@pytest.fixture(scope="module")
def model(base_folder: Callable[[str], Path]) -> LoadedModel:
    return load_model(find(str(base_folder("t2v"))), "cpu")


@pytest.fixture(scope="module")
def lora(model: LoadedModel) -> Lora:
    draw = torch.Generator().manual_seed(0)
    modules = dict(model.transformer.named_modules())
    shapes = {name: modules[name].weight.shape for name in OWN.values()}
    return {
        name: (torch.randn(RANK, inputs, generator=draw) * 0.1, torch.randn(outputs, RANK, generator=draw) * 0.1)
        for name, (outputs, inputs) in shapes.items()
    }


def film(model: LoadedModel, file: Path) -> Tensor:
    """The latents (C, T, H, W) of a shot with the LoRA, rendered by this package."""
    transformer = copy.deepcopy(model.transformer)
    apply_loras(spec_with(file), transformer, 0)
    denoiser = replace(model.denoiser, transformers=(transformer,))
    changed = replace(model, denoiser=denoiser)
    return torch.from_numpy(generate_shot(changed, job(model, steps=2), bank_of(model)).latents_CTHW)


def stock_film(model: LoadedModel, base: Path, file: Path) -> Tensor:
    """The latents of the same shot by the stock pipeline."""
    made = job(model, steps=2)
    pipe = pipeline(WanPipeline, model, made)
    pipe.transformer = WanTransformer3DModel.from_pretrained(base / "transformer")
    pipe.load_lora_weights(file.parent, weight_name=file.name, adapter_name="lora")
    pipe.set_adapters("lora", WEIGHT)
    return stock(pipe, model, made)


@pytest.mark.parametrize(
    "style", [pytest.param(name, marks=[] if name in ("wan alpha", "peft") else pytest.mark.slow) for name in STYLES]
)
def test_the_film_is_that_of_diffusers(
    tmp_path: Path, base_folder: Callable[[str], Path], model: LoadedModel, lora: Lora, style: str
) -> None:
    state = STYLES[style](lora)
    save_file(state, tmp_path / "lora.safetensors")
    theirs = tmp_path / "lora.safetensors"
    if style in ONLY_OURS:
        scale = ALPHA / RANK if any(key.endswith(".alpha") for key in state) else 1.0
        scaled = {name: (down, up * scale) for name, (down, up) in lora.items()}
        theirs = tmp_path / "diffusers.safetensors"
        save_file(named(scaled, "transformer.", A, B, wan=False), theirs)
    found, wanted = film(model, tmp_path / "lora.safetensors"), stock_film(model, base_folder("t2v"), theirs)
    plain = torch.from_numpy(generate_shot(model, job(model, steps=2), bank_of(model)).latents_CTHW)
    assert (wanted - plain).abs().max() > 1e-3
    error = (found - wanted).abs().max()
    assert error < 1e-5
