"""LoRA files in every common naming style load correctly; incomplete and other files are rejected."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from onestory_cli.errors import OnestoryError
from onestory_cli.models.catalog import find
from onestory_cli.models.fingerprint import fingerprint_of
from onestory_cli.models.load import load_model
from onestory_cli.models.lora import apply_loras
from onestory_cli.models.lora_names import require_loras
from onestory_cli.models.spec import LoraSpec, ModelSpec

RANK, ALPHA, WEIGHT = 2, 3.0, 0.7
Lora = dict[str, tuple[Tensor, Tensor]]  # diffusers module -> (down, up)
ATTENTION = (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("o", "to_out.0"))
# All modules that trainers choose: diffusers' own loader refuses files with some of them.
MODULES = [
    (f"blocks.{{}}.{wan}.{part}", f"blocks.{{}}.{ours}.{name}")
    for wan, ours in (("self_attn", "attn1"), ("cross_attn", "attn2"))
    for part, name in ATTENTION
] + [("blocks.{}.ffn.0", "blocks.{}.ffn.net.0.proj"), ("blocks.{}.ffn.2", "blocks.{}.ffn.net.2")]
OWN = {wan.format(block): name.format(block) for wan, name in MODULES for block in range(2)}


@pytest.fixture
def transformer(base_folder: Callable[[str], Path]) -> nn.Module:
    return copy.deepcopy(load_model(find(str(base_folder("t2v"))), "cpu").transformer)


@pytest.fixture
def lora(transformer: nn.Module) -> Lora:
    draw = torch.Generator().manual_seed(0)
    modules = dict(transformer.named_modules())
    found = {}
    for name in OWN.values():
        outputs, inputs = modules[name].weight.shape
        down, up = torch.randn(RANK, inputs, generator=draw), torch.randn(outputs, RANK, generator=draw)
        found[name] = down * 0.1, up * 0.1
    return found


def named(lora: Lora, prefix: str, down: str, up: str, *, wan: bool = True, flat: bool = False) -> dict[str, Tensor]:
    """The state of a file: the modules' Wan or diffusers names, with a prefix and endings."""
    state = {}
    for name, ours in OWN.items():
        place = name if wan else ours
        place = prefix + (place.replace(".", "_") if flat else place)
        state |= {f"{place}.{down}.weight": lora[ours][0], f"{place}.{up}.weight": lora[ours][1]}
    return state


def with_alpha(state: dict[str, Tensor]) -> dict[str, Tensor]:
    places = {key.split(".lora_")[0] for key in state}
    return state | {f"{place}.alpha": torch.tensor(ALPHA) for place in places}


A, B, DOWN, UP = "lora_A", "lora_B", "lora_down", "lora_up"
STYLES: dict[str, Callable[[Lora], dict[str, Tensor]]] = {
    "diffusers": lambda lora: named(lora, "transformer.", A, B, wan=False),
    "diffusers with adapter name": lambda lora: named(
        lora, "transformer.", "lora_A.default", "lora_B.default", wan=False
    ),
    "bare diffusers": lambda lora: named(lora, "", A, B, wan=False),
    "wan": lambda lora: named(lora, "diffusion_model.", DOWN, UP),
    "wan alpha": lambda lora: with_alpha(named(lora, "diffusion_model.", DOWN, UP)),
    "bare": lambda lora: named(lora, "", f"{A}.default", f"{B}.default"),
    "DiffSynth": lambda lora: named(lora, "pipe.dit.", f"{A}.default", f"{B}.default"),
    "peft": lambda lora: named(lora, "base_model.model.", A, B),
    "peft of diffusers": lambda lora: named(lora, "base_model.model.transformer.", A, B, wan=False),
    "kohya": lambda lora: with_alpha(named(lora, "lora_unet_", DOWN, UP, flat=True)),
    "musubi": lambda lora: with_alpha(named(lora, "lora_unet__", DOWN, UP, flat=True)),
    "kohya of diffusers": lambda lora: with_alpha(named(lora, "lora_unet_", DOWN, UP, wan=False, flat=True)),
}


def applied(transformer: nn.Module, file: Path, weight: float = WEIGHT) -> nn.Module:
    spec = spec_with(file, weight)
    changed = copy.deepcopy(transformer)
    apply_loras(spec, changed, 0)
    return changed


def spec_with(file: Path, weight: float = WEIGHT) -> ModelSpec:
    return find("storyworld").with_fields(name="base", loras=(LoraSpec(file=str(file), weight=weight),))


def merged(transformer: nn.Module, lora: Lora, scale: float) -> nn.Module:
    changed = copy.deepcopy(transformer)
    modules = dict(changed.named_modules())
    with torch.no_grad():
        for name, (down, up) in lora.items():
            modules[name].weight += scale * up @ down
    return changed


@torch.no_grad()
def output(transformer: nn.Module) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    latents = torch.randn(1, 16, 2, 8, 8, generator=draw)
    text = torch.randn(1, 7, 16, generator=draw)
    return transformer(latents, torch.tensor([500.0]), text, return_dict=False)[0]


@pytest.mark.parametrize("style", STYLES)
def test_every_naming_gives_the_same_weights(tmp_path: Path, transformer: nn.Module, lora: Lora, style: str) -> None:
    state = STYLES[style](lora)
    save_file(state, tmp_path / "lora.safetensors")
    alpha = ALPHA if any(key.endswith("alpha") for key in state) else RANK
    expected = output(merged(transformer, lora, WEIGHT * alpha / RANK))
    found = output(applied(transformer, tmp_path / "lora.safetensors"))
    assert (expected - output(transformer)).abs().max() > 1e-2
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rslora", [False, True])
def test_the_config_of_peft_holds_the_scale(tmp_path: Path, transformer: nn.Module, lora: Lora, rslora: bool) -> None:
    """StoryMem is saved like this: rank 128, alpha 128, rank-stabilized, hence a scale of 11.31."""
    save_file(STYLES["peft"](lora), tmp_path / "lora.safetensors")
    config = {"lora_alpha": 4, "r": RANK, "use_rslora": rslora, "alpha_pattern": {"blocks.1.ffn.0": 6}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    root = math.sqrt(RANK) if rslora else RANK
    special = {name: pair for name, pair in lora.items() if name == "blocks.1.ffn.net.0.proj"}
    others = {name: pair for name, pair in lora.items() if name not in special}
    expected = merged(merged(transformer, others, WEIGHT * 4 / root), special, WEIGHT * 6 / root)
    found = output(applied(transformer, tmp_path / "lora.safetensors"))
    torch.testing.assert_close(found, output(expected), rtol=1e-4, atol=1e-5)


def test_the_config_of_peft_is_part_of_the_fingerprint(tmp_path: Path, lora: Lora) -> None:
    save_file(STYLES["peft"](lora), tmp_path / "lora.safetensors")
    before = fingerprint_of(spec_with(tmp_path / "lora.safetensors"))
    (tmp_path / "adapter_config.json").write_text("{}")
    assert fingerprint_of(spec_with(tmp_path / "lora.safetensors")) != before


def test_differences_of_norms_biases_and_the_patch_embedding_are_added(
    tmp_path: Path, transformer: nn.Module, lora: Lora
) -> None:
    own = dict(transformer.named_parameters())
    diffs = {
        "blocks.0.cross_attn.norm_k.diff": own["blocks.0.attn2.norm_k.weight"],
        "blocks.1.self_attn.q.diff_b": own["blocks.1.attn1.to_q.bias"],
        "blocks.0.norm3.diff": own["blocks.0.norm2.weight"],
        "blocks.0.modulation.diff": own["blocks.0.scale_shift_table"],
        "patch_embedding.diff": own["patch_embedding.weight"],
        "patch_embedding.diff_b": own["patch_embedding.bias"],
    }
    state = {f"diffusion_model.{name}": torch.full_like(value, 0.1) for name, value in diffs.items()}
    save_file(state | STYLES["wan"](lora), tmp_path / "lora.safetensors")
    changed = dict(applied(transformer, tmp_path / "lora.safetensors").named_parameters())
    for name, value in own.items():
        now = changed.get(name, changed.get(name.replace(".weight", ".base_layer.weight")))
        now = changed[name.replace(".bias", ".base_layer.bias")] if now is None else now
        added = 0.1 * WEIGHT if any(value is item for item in diffs.values()) else 0.0
        torch.testing.assert_close(now, value + added)


def test_a_text_to_video_difference_fits_an_image_to_video_base(
    tmp_path: Path, base_folder: Callable[[str], Path], transformer: nn.Module
) -> None:
    difference = torch.full_like(transformer.patch_embedding.weight, 0.1)
    save_file({"diffusion_model.patch_embedding.diff": difference}, tmp_path / "lora.safetensors")
    wide = load_model(find(str(base_folder("i2v"))), "cpu").transformer
    added = applied(wide, tmp_path / "lora.safetensors").patch_embedding.weight - wide.patch_embedding.weight
    torch.testing.assert_close(added[:, :16], torch.full_like(added[:, :16], 0.1 * WEIGHT))
    assert added[:, 16:].eq(0).all()


@pytest.mark.slow
def test_two_loras_add_up(tmp_path: Path, transformer: nn.Module, lora: Lora) -> None:
    for name in ("one", "two"):
        save_file(STYLES["wan"](lora), tmp_path / f"{name}.safetensors")
    loras = tuple(LoraSpec(file=str(tmp_path / f"{name}.safetensors"), weight=WEIGHT) for name in ("one", "two"))
    changed = copy.deepcopy(transformer)
    apply_loras(find("storyworld").with_fields(loras=loras), changed, 0)
    torch.testing.assert_close(output(changed), output(merged(transformer, lora, 2 * WEIGHT)), rtol=1e-4, atol=1e-5)


def without(state: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    key = next(key for key in state if part in key)
    return {name: value for name, value in state.items() if name != key}


FAULTS: dict[str, tuple[Callable[[Lora], dict[str, Tensor]], str]] = {
    "no up": (lambda lora: without(STYLES["diffusers"](lora), B), 'its lora_B (lora_up) is missing for "blocks.0.'),
    "no down": (lambda lora: without(STYLES["kohya"](lora), DOWN), 'its lora_A (lora_down) is missing for "blocks.'),
    "unknown": (
        lambda lora: STYLES["wan"](lora) | {"diffusion_model.blocks.9.ffn.0.lora_up.weight": torch.ones(2, 2)},
        'this model does not have: "diffusion_model.blocks.9.ffn.0.lora_up.weight"',
    ),
    "text encoder": (lambda lora: {"lora_te1_x.lora_down.weight": torch.ones(2, 2)}, '"lora_te1_x.lora_down.weight"'),
    "LoHa": (lambda lora: {"lycoris_blocks_0_ffn_0.hada_w1_a": torch.ones(2, 2)}, '"lycoris_blocks_0_ffn_0.hada_w1_a"'),
    "empty": (lambda lora: {}, "it contains no LoRA weights"),
    "shape": (
        lambda lora: STYLES["wan"](lora) | {"diffusion_model.blocks.0.ffn.0.lora_down.weight": torch.ones(2, 5)},
        'it is for a layer of 32 x 5, but "blocks.0.ffn.net.0.proj" is 32 x 24',
    ),
    "difference": (
        lambda lora: {"diffusion_model.blocks.0.norm3.diff": torch.ones(5)},
        'its difference for "blocks.0.norm2.weight" has another shape',
    ),
    "many": (
        lambda lora: {f"blocks.{index}.x.lora_up.weight": torch.ones(2, 2) for index in range(5)},
        "and 2 more",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_unsuitable_file_names_its_keys(tmp_path: Path, transformer: nn.Module, lora: Lora, fault: str) -> None:
    make, reason = FAULTS[fault]
    save_file(make(lora), tmp_path / "lora.safetensors")
    with pytest.raises(OnestoryError) as caught:
        applied(transformer, tmp_path / "lora.safetensors")
    assert caught.value.code == "M521"
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"<!DOCTYPE html>", "web page"), (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer")],
)
def test_a_file_that_is_not_weights_is_named(tmp_path: Path, transformer: nn.Module, data: bytes, reason: str) -> None:
    (tmp_path / "lora.safetensors").write_bytes(data)
    with pytest.raises(OnestoryError, match=reason):
        applied(transformer, tmp_path / "lora.safetensors")


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"difference"}))
def test_a_plan_refuses_an_unsuitable_file(tmp_path: Path, transformer: nn.Module, lora: Lora, fault: str) -> None:
    """By the headers of the LoRA and of its base alone; a `.diff` may have another shape than its parameter."""
    (tmp_path / "transformer").mkdir()
    save_file(dict(transformer.state_dict()), tmp_path / "transformer" / "diffusion_pytorch_model.safetensors")
    make, reason = FAULTS[fault]
    save_file(make(lora), tmp_path / "lora.safetensors")
    spec = spec_with(tmp_path / "lora.safetensors").with_fields(base=str(tmp_path))
    with pytest.raises(OnestoryError, match="does not fit") as caught:
        require_loras(spec)
    assert reason in caught.value.message


@pytest.mark.parametrize("style", STYLES)
def test_a_plan_accepts_every_naming(tmp_path: Path, transformer: nn.Module, lora: Lora, style: str) -> None:
    (tmp_path / "transformer").mkdir()
    save_file(dict(transformer.state_dict()), tmp_path / "transformer" / "diffusion_pytorch_model.safetensors")
    save_file(STYLES[style](lora), tmp_path / "lora.safetensors")
    require_loras(spec_with(tmp_path / "lora.safetensors").with_fields(base=str(tmp_path)))


def test_a_web_page_is_refused_without_its_base(tmp_path: Path) -> None:
    (tmp_path / "lora.safetensors").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(OnestoryError, match="web page"):
        require_loras(spec_with(tmp_path / "lora.safetensors").with_fields(base=""))
