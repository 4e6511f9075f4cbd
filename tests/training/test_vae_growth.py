"""Larger pictures from the same latents: what the enlarged VAE computes before any training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan
from safetensors.torch import load_file
from torch.nn import functional

from onestory_cli.errors import OnestoryError
from onestory_cli.generation.shot import generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.catalog import find
from onestory_cli.models.load import LoadedModel, load_model
from onestory_cli.training.run import train
from onestory_cli.training.vae_growth import enlarge_vae, widen_decoder
from tests.tiny import job_of


@pytest.fixture(scope="module")
def vae() -> AutoencoderKLWan:
    torch.manual_seed(0)
    return AutoencoderKLWan(
        base_dim=4,
        z_dim=4,
        dim_mult=[1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[True, True],
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=8,
        scale_factor_temporal=4,
        latents_mean=[0.5] * 4,
        latents_std=[2.0] * 4,
    ).eval()


@pytest.mark.parametrize("factor", [2, 3])
@torch.no_grad()
def test_latents_are_those_of_the_reduced_picture(vae: AutoencoderKLWan, factor: int) -> None:
    large = enlarge_vae(vae, factor)
    clip = torch.rand(1, 3, 5, 16 * factor, 16 * factor) * 2 - 1
    reduced = functional.avg_pool3d(clip, (1, factor, factor))
    torch.testing.assert_close(large.encode(clip).latent_dist.mode(), vae.encode(reduced).latent_dist.mode())
    assert large.config.scale_factor_spatial == 8 * factor
    assert (large.config.latents_mean, large.config.latents_std) == (vae.config.latents_mean, vae.config.latents_std)


@pytest.mark.parametrize("factor", [2, 3])
@torch.no_grad()
def test_pictures_are_the_old_ones_enlarged(vae: AutoencoderKLWan, factor: int) -> None:
    latents = torch.randn(1, 4, 2, 2, 2)
    expected = vae.decode(latents).sample.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    torch.testing.assert_close(enlarge_vae(vae, factor).decode(latents).sample, expected)


def test_wider_decoder_decodes_as_before(vae: AutoencoderKLWan) -> None:
    wide = widen_decoder(vae, 6, seed=1)
    latents = torch.randn(1, 4, 2, 2, 2)
    with torch.no_grad():
        torch.testing.assert_close(wide.decode(latents).sample, vae.decode(latents).sample, rtol=1e-4, atol=1e-5)
    assert sum(item.numel() for item in wide.parameters()) > sum(item.numel() for item in vae.parameters())


def test_gradients_reach_all_channels_of_a_wider_decoder(vae: AutoencoderKLWan) -> None:
    wide = widen_decoder(vae, 6, seed=1)
    wide.decode(torch.randn(1, 4, 2, 2, 2)).sample.square().sum().backward()
    matrices = {
        name: item.grad for name, item in wide.decoder.named_parameters() if "gamma" not in name and "qkv" not in name
    }
    assert [
        name
        for name, grad in matrices.items()
        if grad is None or (grad.flatten(1) if grad.dim() > 1 else grad[:, None]).eq(0).all(1).any()
    ] == []


def test_decoder_of_that_width_is_kept(vae: AutoencoderKLWan) -> None:
    assert widen_decoder(vae, 0, seed=1) is widen_decoder(vae, 4, seed=1) is vae


RECIPE = """\
name: larger
start: {start}
dtype: float32
compile: false
world: {{size: {size}, frames: 5}}
data: {{stories: 1, vae_stories: 1, shots: 2}}
model: {{name: larger, sampling: {{steps: 2, scale: 2}}}}
stages: [{{name: larger, kind: decoder, decoder_dim: 6, steps: 2, batch: 1, frames: 5, rate: 0.01, kl: 0.0}}]
"""


@pytest.mark.train
def test_decoder_stage_enlarges_pictures_and_keeps_latents(
    tiny_folder: Path, tiny_model: LoadedModel, tmp_path: Path
) -> None:
    recipe = tmp_path / "larger.yaml"
    recipe.write_text(RECIPE.format(start=tiny_folder, size=128))
    larger = load_model(find(str(train(recipe, tmp_path / "out"))), "cpu")
    assert (larger.spec.width, larger.spec.height, larger.spec.scale) == (128, 128, 2)
    assert larger.spec.latent_size(128, 128) == tiny_model.spec.latent_size(64, 64)
    rows, columns = larger.spec.latent_size(128, 128)
    made = generate_shot(
        larger,
        job_of(larger.spec, shot="opening"),
        MemoryBank(channels=larger.spec.latent_channels, height=rows, width=columns),
    )
    assert made.decode().shape == (5, 128, 128, 3)
    for path in ("transformer/diffusion_pytorch_model", "adapter/adapter"):
        file = f"{path}.safetensors"
        assert (tmp_path / "out" / "model" / file).read_bytes() == (tiny_folder / file).read_bytes()
    assert str(tiny_folder) not in (tmp_path / "out" / "model" / "transformer" / "config.json").read_text()
    before, after = (
        load_file(folder / "vae/diffusion_pytorch_model.safetensors")
        for folder in (tiny_folder, tmp_path / "out" / "model")
    )
    kept = {
        name for name in before if before[name].shape == after[name].shape and torch.equal(before[name], after[name])
    }
    assert {name for name in before if not name.startswith(("decoder", "post_quant"))} - kept == {
        "encoder.conv_in.weight"
    }
    assert not any(name.startswith("decoder.mid_block") and name.endswith("weight") for name in kept)


def test_size_that_is_not_a_multiple_is_rejected(tiny_folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "larger.yaml"
    recipe.write_text(RECIPE.format(start=tiny_folder, size=96))
    with pytest.raises(OnestoryError, match="size 96 is not a multiple of the 64") as caught:
        train(recipe, tmp_path / "out")
    assert caught.value.code == "T601"
