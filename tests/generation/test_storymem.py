"""StoryMem: keyframes of earlier shots before the video, as its own sampler computes them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from onestory_cli.generation import conditions as conditions_module
from onestory_cli.generation.conditions import IMAGE_CONDITIONS
from onestory_cli.generation.denoise import Conditions, DenoiseConfig, denoise
from onestory_cli.generation.shot import generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.bases import STORYMEM
from onestory_cli.models.catalog import CARD, find
from onestory_cli.models.load import load_model
from onestory_cli.models.lora import apply_loras
from onestory_cli.models.model import Denoiser, LoadedModel
from onestory_cli.models.spec import LoraSpec
from onestory_cli.models.transformer import rotary_embedding
from onestory_cli.planning.jobs import MemoryJob, ShotJob
from tests.bases import SMALL, base_folder
from tests.generation.test_conditions import bank_of
from tests.parity import storymem as reference
from tests.tiny import job_of

__all__ = ["base_folder"]

FIELDS = {"task": "m2v", "policy": "storymem", "memory_frames": 4, "budget": 4.0, "shift": 4.0}
FIELDS |= {"levels": [{"name": "reference", "patch": 2}]}


def write_storymem(path: Path, base: Path) -> Path:
    """A copy of the tiny Wan 2.2 I2V A14B with the card of StoryMem."""
    shutil.copytree(base, path)
    (path / CARD).write_text(json.dumps({"base": ".", **SMALL, **FIELDS}))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, base_folder: Callable[[str], Path]) -> Path:
    """The tiny Wan 2.2 I2V A14B with the card of StoryMem."""
    return write_storymem(tmp_path_factory.mktemp("storymem") / "base", base_folder("i2v-a14b"))


@pytest.fixture(scope="module")
def model(folder: Path) -> LoadedModel:
    return load_model(find(str(folder)), "cpu")


def reference_model(folder: Path, place: Path) -> LoadedModel:
    """The model with the weights and the LoRA of the reference."""
    loaded = load_model(find(str(folder)), "cpu")
    reference.random_weights(loaded.codec.vae, 3)
    loras = []
    for number, (expert, transformer) in enumerate(zip(reference.EXPERTS, loaded.denoiser.transformers, strict=True)):
        reference.random_weights(transformer, number)
        config = transformer.config
        width = config.num_attention_heads * config.attention_head_dim
        modules = reference.lora_modules(width, config.ffn_dim, config.num_layers)
        file = place / f"{expert}.safetensors"
        save_file(reference.random_lora(modules, 20 + number), file)
        loras.append(LoraSpec(file=str(file), weight=reference.LORA_SCALE, expert=expert))
    spec = loaded.spec.with_fields(loras=tuple(loras))
    for number, transformer in enumerate(loaded.denoiser.transformers):
        apply_loras(spec, transformer, number)
    return loaded


def wan_sigmas(scheduler: Any) -> Any:
    """The scheduler with the sigmas of Wan's own program; those of diffusers are up to 0.001 larger."""
    steps = torch.linspace(1 - 1 / 1000, 0, reference.STEPS + 1, dtype=torch.float64)
    sigmas = reference.SHIFT * steps / (1 + (reference.SHIFT - 1) * steps)
    scheduler.sigmas = sigmas.float()
    scheduler.timesteps = (sigmas[:-1] * 1000).long()
    return scheduler


def compare(folder: Path, place: Path, *, first_frame: bool) -> tuple[Tensor, Tensor]:
    """Our latents of the shot of the reference, and its own."""
    model, scheduler = reference_model(folder, place), Denoiser.scheduler
    *remembered, image = reference.pictures()
    with torch.inference_mode():
        given = IMAGE_CONDITIONS["keyframes"](
            model, job_of(model.spec, frames=reference.FRAMES), image if first_frame else None, remembered
        )
    embeds = reference.text(model.transformer.config.text_dim)
    conditions = Conditions(
        prompt_embeds_BLE=embeds[:1],
        negative_prompt_embeds_BLE=embeds[1:],
        context_BSD=torch.zeros(1, 0, 1),
        context_rope=rotary_embedding(torch.zeros(0, 3), head_dim=12),
        **vars(given),
    )
    shape = (16, 2 + reference.KEYFRAMES, 8, 8)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(reference.SEED))[None]
    config = DenoiseConfig(
        name="unipc", steps=reference.STEPS, shift=reference.SHIFT, guidance=reference.GUIDANCE, guidance_2=3.5
    )
    with patch.object(Denoiser, "scheduler", lambda *settings: wan_sigmas(scheduler(*settings))):
        found = denoise(model.denoiser, noise, conditions, config)[0]
    return found, load_file(reference.EXPECTED)["memory_and_first_frame" if first_frame else "memory"]


@pytest.mark.parametrize("first_frame", [False, True], ids=["memory", "memory_and_first_frame"])
def test_latents_are_those_of_storymem(folder: Path, tmp_path: Path, first_frame: bool) -> None:
    found, wanted = compare(folder, tmp_path, first_frame=first_frame)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert wanted.std() > 0.3


def job(model: LoadedModel, sources: tuple[str, ...] = (), **memory: Any) -> ShotJob:
    spec = model.spec
    settings = {"frames": 4, "budget": 4.0, "policy": "storymem", **memory}
    remembered = MemoryJob(sources=sources, **settings)
    return job_of(spec, steps=2, guidance=1.0, guidance_2=1.0, memory=remembered)


def captured(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The pictures that the base reads."""
    seen: dict[str, Any] = {}
    build = IMAGE_CONDITIONS["keyframes"]

    def spy(model: Any, size: Any, image: Any, references: Any) -> Any:
        seen.update(image=image, references=references)
        return build(model, size, image, references)

    monkeypatch.setitem(conditions_module.IMAGE_CONDITIONS, "keyframes", spy)
    return seen


def test_keyframes_are_in_film_order_whatever_their_relevance(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = captured(monkeypatch)
    monkeypatch.setattr("onestory_cli.memory.keyframes.MAX_SIMILARITY", 2.0)  # every frame is new
    bank = bank_of(model, "opening", "city")
    generate_shot(model, job(model, ("opening", "city"), policy="adaptive"), bank, image=None)
    with torch.inference_mode():
        pictures = [model.codec.frame_pictures(bank.latents(source)) for source in ("opening", "city")]
    order = [
        next(place for place, item in enumerate(np.concatenate(pictures)) if (item == one).all())
        for one in seen["references"]
    ]
    assert order == sorted(order)
    assert len(order) >= 2
    assert seen["image"] is None


def test_without_a_cut_the_shot_also_starts_from_the_last_frame(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = captured(monkeypatch)
    bank = bank_of(model, "opening", "city")
    plain = generate_shot(model, job(model, ("opening", "city")), bank)
    kept = len(seen["references"])
    found = generate_shot(model, job(model, ("opening", "city"), continues=True), bank)
    first = found.selection[0]
    assert (first.source, first.index, first.level, first.tokens) == ("city", 1, "first-frame", 0)
    assert found.selection[1:] == plain.selection
    assert len(seen["references"]) == kept
    with torch.inference_mode():
        last = model.codec.frame_pictures(bank.latents("city"))[-1]
    np.testing.assert_array_equal(seen["image"], last)
    assert np.abs(found.latents_CTHW - plain.latents_CTHW).max() > 1e-3


def test_near_copies_are_not_remembered(model: LoadedModel) -> None:
    bank = MemoryBank(channels=16, height=8, width=8)
    still = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0)).expand(-1, 2, -1, -1)
    bank.add("opening", still)
    bank.add("same", still)
    found = generate_shot(model, job(model, ("opening", "same")), bank)
    assert [(frame.source, frame.index) for frame in found.selection if frame.source == "same"] == []
    assert found.scores.keys() == {"opening", "same"}


def test_the_row_has_the_loras_of_both_experts_and_a_licence_to_accept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from onestory_cli.models.availability import licensed_name, must_accept

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("onestory_cli.models.availability.licence_file", lambda: tmp_path / "licences.json")
    spec = find("storymem")
    assert [item.expert for item in spec.files.loras] == ["high", "low"]
    assert {round(item.weight, 4) for item in spec.files.loras} == {11.3137}
    assert licensed_name(spec) == "storymem"
    assert must_accept(spec)
    assert not must_accept(find("wan2.2-i2v-a14b"))
    assert not spec.from_text
    assert replace(spec, about="", files=STORYMEM.files).licence.startswith("S-Lab")
