"""Enlarge the pictures of a VAE without changing its latents, so that a trained transformer still fits.

The patch that the stock VAE folds into channels grows, and its networks keep their sizes: encoding and decoding take
as long as before. A `decoder` stage then teaches the decoder what the larger pictures show.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor


@torch.no_grad()
def enlarge_vae(vae: AutoencoderKLWan, factor: int) -> AutoencoderKLWan:
    """A VAE for pictures that are `factor` times as high and wide, with the same latents.

    At first it encodes the mean of each block of `factor` x `factor` pixels, and decodes to such blocks of one colour.
    """
    config, patch = vae.config, vae.config.patch_size * factor
    enlarged = AutoencoderKLWan.from_config(
        {
            **config,
            "patch_size": patch,
            "in_channels": 3 * patch**2,
            "out_channels": 3 * patch**2,
            "scale_factor_spatial": config.scale_factor_spatial * factor,
        }
    )
    weights = dict(vae.state_dict())
    read, write, bias = "encoder.conv_in.weight", "decoder.conv_out.weight", "decoder.conv_out.bias"
    weights[read] = _repeat(weights[read].transpose(0, 1), config.patch_size, factor).transpose(0, 1) / factor**2
    weights[write] = _repeat(weights[write], config.patch_size, factor)
    weights[bias] = _repeat(weights[bias], config.patch_size, factor)
    enlarged.load_state_dict(weights)
    return enlarged.to(vae.device, vae.dtype)


def _repeat(weight: Tensor, patch: int, factor: int) -> Tensor:
    """Repeat the rows of each pixel of a patch: (3 * patch**2, ...) -> (3 * (patch * factor)**2, ...)."""
    rows = weight.view(3, patch, patch, *weight.shape[1:])
    return rows.repeat_interleave(factor, 1).repeat_interleave(factor, 2).flatten(0, 2)
