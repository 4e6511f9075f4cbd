"""The training forward of the VAE equals the stock one: same latents, pixels and gradients."""

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from onestory_cli.training.clip_vae import decode_clips, encode_clips, whole_clips


def small_vae(*, patch: int, residual: bool) -> AutoencoderKLWan:
    torch.manual_seed(5)
    return AutoencoderKLWan(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 2, 2],
        num_res_blocks=1,
        temperal_downsample=[True, True],
        in_channels=3 * patch**2,
        out_channels=3 * patch**2,
        patch_size=patch,
        is_residual=residual,
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )


def clip(frames: int) -> Tensor:
    return 0.3 * torch.randn(2, 3, frames, 32, 32, generator=torch.Generator().manual_seed(frames))


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("patch", [2, 4])
@pytest.mark.parametrize("frames", [1, 5, 17])
@torch.no_grad()
def test_whole_clips_equal_chunked_processing(patch: int, residual: bool, frames: int) -> None:
    vae, pixels = small_vae(patch=patch, residual=residual), clip(frames)
    stock = vae.encode(pixels).latent_dist
    latents = stock.mean[:, :, : (frames + 3) // 4]
    decoded = vae.decode(latents, return_dict=False)[0]
    with whole_clips(vae, compiled=False):
        posterior = encode_clips(vae, pixels)
        whole = decode_clips(vae, latents)
    assert torch.allclose(posterior.mean, stock.mean, atol=1e-5)
    assert torch.allclose(posterior.logvar, stock.logvar, atol=1e-5)
    assert torch.allclose(whole.clamp(-1, 1), decoded, atol=1e-5)


def gradients(vae: AutoencoderKLWan, loss: Tensor) -> list[Tensor]:
    loss.backward()
    found = [weight.grad.clone() for weight in vae.parameters() if weight.grad is not None]
    vae.zero_grad(set_to_none=True)
    return found


def test_gradients_equal_those_of_the_stock_forward() -> None:
    vae, pixels = small_vae(patch=2, residual=True), clip(9)
    decoded = vae.decode(vae.encode(pixels).latent_dist.mean, return_dict=False)[0]
    assert decoded.abs().max() < 1  # the stock clamp is not reached
    stock = gradients(vae, (decoded - pixels).square().mean())
    with whole_clips(vae, compiled=False):
        whole = decode_clips(vae, encode_clips(vae, pixels).mean)
    ours = gradients(vae, (whole - pixels).square().mean())
    assert len(ours) == len(stock) > 50
    for own, expected in zip(ours, stock, strict=True):
        assert torch.allclose(own, expected, rtol=1e-3, atol=1e-6)


def test_stock_forward_is_restored_after_an_error() -> None:
    vae, pixels = small_vae(patch=2, residual=True), clip(5)
    with torch.no_grad():
        before = vae.encode(pixels).latent_dist.mean
        with pytest.raises(RuntimeError), whole_clips(vae, compiled=False):
            encode_clips(vae, pixels[:, :2])
        assert torch.equal(vae.encode(pixels).latent_dist.mean, before)
