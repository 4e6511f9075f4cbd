"""Enlarge the pictures of a VAE, or widen its decoder, without changing its latents: a trained transformer still fits.

For larger pictures, the patch that the stock VAE folds into channels grows, and its networks keep their sizes. A
`decoder` stage then teaches the decoder what the larger pictures show.
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
    enlarged = _resized(
        vae,
        patch_size=patch,
        in_channels=3 * patch**2,
        out_channels=3 * patch**2,
        scale_factor_spatial=config.scale_factor_spatial * factor,
    )
    weights = dict(vae.state_dict())
    read, write, bias = "encoder.conv_in.weight", "decoder.conv_out.weight", "decoder.conv_out.bias"
    weights[read] = _repeat(weights[read].transpose(0, 1), config.patch_size, factor).transpose(0, 1) / factor**2
    weights[write] = _repeat(weights[write], config.patch_size, factor)
    weights[bias] = _repeat(weights[bias], config.patch_size, factor)
    enlarged.load_state_dict(weights)
    return enlarged.to(vae.device)


def _repeat(weight: Tensor, patch: int, factor: int) -> Tensor:
    """Repeat the rows of each pixel of a patch: (3 * patch**2, ...) -> (3 * (patch * factor)**2, ...)."""
    rows = weight.view(3, patch, patch, *weight.shape[1:])
    return rows.repeat_interleave(factor, 1).repeat_interleave(factor, 2).flatten(0, 2)


@torch.no_grad()
def widen_decoder(vae: AutoencoderKLWan, base_dim: int, *, seed: int) -> AutoencoderKLWan:
    """A VAE with a decoder of width `base_dim` that decodes as before; returns `vae` if its decoder is as wide.

    New channels are zero at first. The weights that read them are random, so that gradients reach them.
    """
    width = vae.config.decoder_base_dim or vae.config.base_dim
    if base_dim <= width:
        return vae
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        widened = _resized(vae, decoder_base_dim=base_dim)
    old, weights = vae.state_dict(), widened.state_dict()
    for name, new in weights.items():
        if new.shape == old[name].shape:
            new.copy_(old[name])
        else:
            _copy_into(new, old[name], blocks=3 if "to_qkv" in name else 2 if "time_conv" in name else 1)
            _keep_scale(name, new, (base_dim / width) ** 0.5)
    return widened.to(vae.device)


def _resized(vae: AutoencoderKLWan, **sizes: int) -> AutoencoderKLWan:
    """A VAE with random weights, and a config that differs in `sizes`."""
    settings = {name: value for name, value in vae.config.items() if not name.startswith("_")}
    return AutoencoderKLWan(**{**settings, **sizes})


def _copy_into(new: Tensor, old: Tensor, *, blocks: int) -> None:
    """Fill the old channels of a weight or bias; `blocks` is the number of parts that its output is split into."""
    parts = zip(new.unflatten(0, (blocks, -1)), old.unflatten(0, (blocks, -1)), strict=True)
    for block, (grown, part) in enumerate(parts):
        rows = len(part)
        if blocks < 3 or block:  # new queries are random: keys and queries of zero would give each other no gradient
            grown[rows:] = 0
        if part.dim() > 1:
            grown[:rows, : part.shape[1]] = part
        else:
            grown[:rows] = part


def _keep_scale(name: str, new: Tensor, ratio: float) -> None:
    """Undo what the width does to norms, which multiply by its root, and to attention logits, which divide by it."""
    if name.endswith("gamma"):
        new.div_(ratio)
        new[new == 0] = 1.0
    elif "to_qkv" in name:
        new[: len(new) // 3].mul_(ratio)
