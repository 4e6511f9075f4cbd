"""Single transformer files in the namings and fp8 formats that people share, loaded like the folder of their base."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from onestory_cli.errors import OnestoryError
from onestory_cli.models.catalog import CARD, find
from onestory_cli.models.load import load_model
from onestory_cli.models.wan_names import to_diffusers

# Wan names of the modules inside a block, and of the other modules; the values are diffusers' names.
BLOCK = ["self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "self_attn.norm_q", "self_attn.norm_k"]
BLOCK += [name.replace("self", "cross") for name in BLOCK] + ["ffn.0", "ffn.2", "norm3", "modulation"]
BLOCK += ["cross_attn.k_img", "cross_attn.v_img", "cross_attn.norm_k_img", "before_proj", "after_proj"]
TOP = ["time_embedding.0", "time_embedding.2", "text_embedding.0", "text_embedding.2", "time_projection.1"]
TOP += ["img_emb.proj.0", "img_emb.proj.1", "img_emb.proj.3", "img_emb.proj.4", "head.head", "head.modulation"]


def wan_names(blocks: int = 2) -> dict[str, str]:
    """Diffusers name of a module -> its Wan name."""
    names = [
        f"{kind}.{index}.{name}" for kind in ("blocks", "vace_blocks") for index in range(blocks) for name in BLOCK
    ]
    return {to_diffusers(name): name for name in (*names, *TOP)}


def in_wan_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights under the Wan team's names."""
    modules, renamed = wan_names(), {}
    for name, value in weights.items():
        module, _, leaf = name.rpartition(".")
        renamed[modules[name] if name in modules else f"{modules.get(module, module)}.{leaf}"] = value
    assert len(renamed) == len(weights)
    return renamed


def stored_as(folder: Path, base: Path, weights: dict[str, Tensor]) -> Path:
    folder.mkdir()
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / "wan.safetensors")
    (folder / CARD).write_text(json.dumps({"base": str(base), "transformer": "wan.safetensors"}))
    return folder


def weights_of(base: Path) -> dict[str, Tensor]:
    return load_file(next((base / "transformer").glob("*.safetensors")))


def loaded(folder: Path) -> dict[str, Tensor]:
    return dict(load_model(find(str(folder)), "cpu").transformer.state_dict())


@pytest.mark.parametrize("family", ["t2v", "i2v", "vace"])
@pytest.mark.parametrize("prefix", ["", "diffusion_model.", "model.diffusion_model."])
def test_wan_names_load_like_the_folder(
    tmp_path: Path, base_folder: Callable[[str], Path], family: str, prefix: str
) -> None:
    weights = weights_of(base_folder(family))
    renamed = {prefix + name: value for name, value in in_wan_names(weights).items()}
    folder = stored_as(tmp_path / "mine", base_folder(family), renamed)
    found = loaded(folder)
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], value) for name, value in weights.items())


def scaled(value: Tensor, scale: Tensor) -> Tensor:
    return (value / scale).to(torch.float8_e4m3fn)


@pytest.mark.parametrize("suffix", ["scale_weight", "weight_scale"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_scales_of_fp8_are_applied(
    tmp_path: Path, base_folder: Callable[[str], Path], suffix: str, per_channel: bool
) -> None:
    """As ComfyUI saves fp8_scaled files: matrices of blocks, with marks that have no place in the model."""
    weights = in_wan_names(weights_of(base_folder("t2v")))
    stored = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}
    for name, value in weights.items():
        if not name.endswith(".weight") or value.ndim != 2 or "blocks." not in name:
            stored[name] = value
            continue
        module = name.removesuffix(".weight")
        scale = value.abs().amax(1, keepdim=True) / 448 if per_channel else value.abs().amax() / 448
        stored |= {name: scaled(value, scale), f"{module}.{suffix}": scale, f"{module}.scale_input": torch.ones(())}
    folder = stored_as(tmp_path / "mine", base_folder("t2v"), stored)
    found, exact = loaded(folder), weights_of(base_folder("t2v"))
    for name, value in exact.items():
        assert (found[name] - value).norm() <= 0.04 * value.norm(), name


def test_unscaled_fp8_loads(tmp_path: Path, base_folder: Callable[[str], Path]) -> None:
    weights = weights_of(base_folder("t2v"))
    stored = {name: value.to(torch.float8_e4m3fn) for name, value in weights.items()}
    found = loaded(stored_as(tmp_path / "mine", base_folder("t2v"), stored))
    assert all(torch.equal(found[name], value.float()) for name, value in stored.items())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda weights: weights | {"blocks.0.extra.weight": torch.ones(1)}, 'has "blocks.0.extra.weight"'),
        (lambda weights: {name: value for name, value in weights.items() if "norm_q" not in name}, "lacks 4 weights"),
        (lambda weights: weights | {"proj_out.bias": torch.ones(3)}, '"proj_out.bias" has shape 3, but 64'),
        (
            lambda weights: weights | {"proj_out.scale_weight": torch.ones(3)},
            'the scale of "proj_out.weight" has 3 values for 64 channels',
        ),
    ],
    ids=["unknown", "missing", "shape", "scale"],
)
def test_other_weights_are_refused_by_name(
    tmp_path: Path,
    base_folder: Callable[[str], Path],
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    reason: str,
) -> None:
    folder = stored_as(tmp_path / "mine", base_folder("t2v"), change(weights_of(base_folder("t2v"))))
    with pytest.raises(OnestoryError) as caught:
        load_model(find(str(folder)), "cpu")
    assert (caught.value.code, reason in caught.value.message) == ("M503", True), caught.value.message


def test_weights_that_a_folder_keeps_in_float32_stay_so(
    tmp_path: Path, base_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onestory_cli.models.load.compute_dtype", lambda *_: torch.bfloat16)
    folder = stored_as(tmp_path / "mine", base_folder("t2v"), weights_of(base_folder("t2v")))
    one, stock = loaded(folder), loaded(base_folder("t2v"))
    assert {name: value.dtype for name, value in one.items()} == {name: value.dtype for name, value in stock.items()}
    assert {value.dtype for value in one.values()} == {torch.float32, torch.bfloat16}
