"""A faster, mathematically equal forward of the stock `AutoencoderKLWan`, for training on whole clips.

The stock class works through four frames at a time with caches, and normalises in several passes over memory. Inside
`whole_clips` a clip goes through in one pass, and each norm is one compiled kernel. On one core with AMX in bfloat16 a
step takes 0.55 of the stock time (8 clips of 9 frames at 128 pixels, base 24: 0.85 s instead of 1.56 s of processor
time).

Shape letters: B batch, C channels, P frames, H W pixels or cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial

import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanResample, WanRMS_norm, patchify, unpatchify
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, nn

_TINY = 1e-24  # keeps the root finite; the stock norm clamps its root at 1e-12


@contextmanager
def whole_clips(vae: AutoencoderKLWan, *, compiled: bool) -> Iterator[None]:
    """Patch the VAE: inside, call `encode_clips` and `decode_clips`, not the stock encode and decode.

    Args:
        compiled: Compile the norms, which takes about half a minute at the first step.
    """
    norm = _compiled_norm() if compiled else _rms_norm
    patched = [module for module in vae.modules() if isinstance(module, (WanResample, WanRMS_norm))]
    for module in patched:
        module.forward = partial(_resample if isinstance(module, WanResample) else norm, module)
    try:
        yield
    finally:
        for module in patched:
            del module.forward


def encode_clips(vae: AutoencoderKLWan, pixels_BCPHW: Tensor) -> DiagonalGaussianDistribution:
    """Return the posterior of clips with 4k + 1 frames in -1..1, as `vae.encode` does."""
    patches = _channels_last(patchify(pixels_BCPHW, vae.config.patch_size))
    return DiagonalGaussianDistribution(vae.quant_conv(vae.encoder(patches)))


def decode_clips(vae: AutoencoderKLWan, latents: Tensor) -> Tensor:
    """Return the clips of latents as `vae.decode` does, but without its clamp, which has no gradient outside -1..1."""
    decoded = vae.decoder(vae.post_quant_conv(_channels_last(latents)), first_chunk=True)
    return unpatchify(decoded.contiguous(), vae.config.patch_size)


def reconstruction_losses(
    decoded: Tensor, pixels: Tensor, weight: Tensor, *, compiled: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the weighted mean of absolute and squared errors, and that of the absolute errors of differences."""
    losses = _compiled_losses() if compiled else _losses
    return losses(decoded, pixels, weight)


def _losses(decoded: Tensor, pixels: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    error = decoded - pixels
    down = weight[..., 1:, :] * (error[..., 1:, :] - error[..., :-1, :]).abs()
    along = weight[..., 1:] * (error[..., 1:] - error[..., :-1]).abs()
    return (weight * (error.abs() + error.square())).mean(), down.mean() + along.mean()


def _channels_last(x: Tensor) -> Tensor:
    """Use the channels-last memory format: CPUs convolve it fastest, and convolutions preserve it."""
    return x.contiguous(memory_format=torch.channels_last_3d) if x.device.type == "cpu" else x


def _resample(module: WanResample, x_BCPHW: Tensor, feat_cache: object = None, feat_idx: object = None) -> Tensor:
    """Resample in space. In time, resample all frames except the first."""
    if module.mode == "upsample3d" and x_BCPHW.shape[2] > 1:
        x_BCPHW = torch.cat([x_BCPHW[:, :, :1], _double_frames(module, x_BCPHW[:, :, 1:])], dim=2)
    batch, channels, frames, height, width = x_BCPHW.shape
    images = module.resample(x_BCPHW.transpose(1, 2).reshape(batch * frames, channels, height, width))
    x_BCPHW = images.view(batch, frames, *images.shape[1:]).transpose(1, 2)
    if module.mode == "downsample3d" and frames > 1:
        x_BCPHW = torch.cat([x_BCPHW[:, :, :1], module.time_conv(x_BCPHW)], dim=2)
    return x_BCPHW


def _double_frames(module: WanResample, x_BCPHW: Tensor) -> Tensor:
    batch, channels, frames, height, width = x_BCPHW.shape
    pairs = module.time_conv(x_BCPHW).reshape(batch, 2, channels, frames, height, width)
    return pairs.permute(0, 2, 3, 1, 4, 5).reshape(batch, channels, 2 * frames, height, width)


def _rms_norm(module: nn.Module, x: Tensor) -> Tensor:
    return _normalise(x, module.gamma)


def _normalise(x: Tensor, gamma: Tensor) -> Tensor:
    """The stock norm ``x / |x| * sqrt(C) * gamma`` over channels, as one root of a mean square."""
    full = x.float()
    return (full * torch.rsqrt(full.square().mean(1, keepdim=True) + _TINY) * gamma).to(x.dtype)


@cache
def _compiled_losses() -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    return torch.compile(_losses, dynamic=True)


@cache
def _compiled_norm() -> Callable[[nn.Module, Tensor], Tensor]:
    # dynamic: one graph for the dozen shapes of a network; one graph per shape would exceed the recompilation limit
    normalise = torch.compile(_normalise, dynamic=True)
    return lambda module, x: normalise(x, module.gamma)
