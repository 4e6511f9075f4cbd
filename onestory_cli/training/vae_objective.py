"""The training objective of the VAE: reconstruct clips, with more weight on what viewers look at.

Shape letters: B batch, C latent channels, P pixel frames, T latent frames, H W pixels or latent cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor
from torch.nn import functional

from onestory_cli.models.load import LoadedModel
from onestory_cli.training.clip_vae import decode_clips, encode_clips, reconstruction_losses, whole_clips
from onestory_cli.training.data import CHARACTER, EYE, KITE, MOUTH, OUTLINE, PixelData
from onestory_cli.training.objective import Losses
from onestory_cli.training.recipe import Stage


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """True clips and the decoded ones, both (B, 3, P, H, W) in -1..1, with the loss between them."""

    pixels: Tensor
    decoded: Tensor
    loss: Tensor
    kl: Tensor


@dataclass(frozen=True, kw_only=True)
class VaeObjective:
    """L1 + L2 + L1 of gradients + KL, with more weight on characters, outlines, eyes, mouths and kites.

    A decoder stage does not train the encoder and has no KL term. `before` is a copy of the VAE from the start of the
    stage, for `keep_latents`.
    """

    model: LoadedModel
    data: PixelData
    stage: Stage
    compiled: bool = False
    before: AutoencoderKLWan | None = None

    def __call__(self, rng: np.random.Generator, noise: torch.Generator) -> Losses:
        drawn = self.reconstruct(rng, noise)
        return {"loss": drawn.loss, "psnr": psnr(drawn.decoded.detach(), drawn.pixels), "kl": drawn.kl}

    def reconstruct(self, rng: np.random.Generator, noise: torch.Generator) -> Reconstruction:
        """Encode and decode a batch of true clips."""
        pixels, kinds = self.data.batch(rng, size=self.stage.batch, frames=self.stage.frames, kites=self.stage.kites)
        pixels, weight = pixels.to(self.model.device), self._weight(kinds).to(self.model.device)
        vae = self.model.codec.vae
        with whole_clips(vae, compiled=self.compiled):
            posterior = encode_clips(vae, pixels) if self.stage.kind == "vae" else _encoded(vae, pixels)
            spread = torch.randn(posterior.mean.shape, generator=noise).to(pixels)
            decoded = decode_clips(vae, posterior.mean + posterior.std * spread).float()
        flat, sharp = reconstruction_losses(decoded, pixels, weight, compiled=self.compiled)
        divergence = 0.5 * (posterior.mean.square() + posterior.var - 1 - posterior.logvar).mean()
        loss = flat + self.stage.gradient * sharp + self.stage.kl * divergence
        if self.before is not None:
            loss = loss + self.stage.keep_latents * self._moved(posterior.mean, pixels, kinds)
        return Reconstruction(pixels=pixels, decoded=decoded, loss=loss, kl=divergence.detach())

    def _moved(self, mean_BCTHW: Tensor, pixels: Tensor, kinds: Tensor) -> Tensor:
        """Mean squared distance of latents from their old values, in standard deviations; cells of kites count as 0."""
        assert self.before is not None
        with whole_clips(self.before, compiled=False):
            old = _encoded(self.before, pixels).mean
        std = torch.tensor(self.before.config.latents_std).view(1, -1, 1, 1, 1).to(old)
        kite_B1HW = functional.adaptive_max_pool2d((kinds[:, :, 0] & KITE > 0).float(), old.shape[-2:])
        still = 1 - kite_B1HW[:, :, None].to(old)
        return (still * ((mean_BCTHW - old) / std).square()).mean()

    def _weight(self, kinds: Tensor) -> Tensor:
        """Weights (B, 1, P, H, W) of mean 1, from the bits of `PixelData.kinds`."""
        weight = pixel_weights(self.stage)[kinds.long()]
        # the first latent frame is one pixel frame (the others are four); it starts a shot, and an image becomes one
        weight = torch.cat([weight[:, :, :1] * self.stage.first_weight, weight[:, :, 1:]], dim=2)
        return weight / weight.mean()


@torch.no_grad()
def _encoded(vae: AutoencoderKLWan, pixels: Tensor) -> DiagonalGaussianDistribution:
    # eager: the encoder's shapes without gradients would exceed the recompilation limit of the norms
    with torch.compiler.set_stance("force_eager"):
        return encode_clips(vae, pixels)


def pixel_weights(stage: Stage) -> Tensor:
    """The weight of a pixel in the loss of a vae stage, by its value in `PixelData.kinds`."""
    parts = {
        CHARACTER: stage.character_weight,
        OUTLINE: stage.outline_weight,
        EYE: stage.face_weight,
        MOUTH: stage.face_weight,
        KITE: stage.kite_weight,
    }
    values = torch.arange(sum(parts) + 1)
    return 1 + torch.stack([weight * (values & bit > 0) for bit, weight in parts.items()]).sum(0)


def psnr(decoded: Tensor, pixels: Tensor) -> Tensor:
    """The peak signal-to-noise ratio, in dB, of pixels in -1..1."""
    return 10 * torch.log10(4 / (decoded.clamp(-1, 1) - pixels).square().mean())


def latent_statistics(model: LoadedModel, data: PixelData, *, batches: int = 24) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel of the encoder's latents over some clips."""
    rng = np.random.default_rng(0)
    parts = []
    with torch.no_grad():
        for _ in range(batches):
            pixels, _ = data.batch(rng, size=8, frames=data.pixels.shape[1])
            parts.append(model.codec.vae.encode(pixels.to(model.device)).latent_dist.mode().float().cpu())
    latents = torch.cat(parts).transpose(0, 1).flatten(1)
    return latents.mean(1).tolist(), latents.std(1).tolist()
