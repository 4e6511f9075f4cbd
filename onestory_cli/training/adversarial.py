"""The adversarial loss of a decoder stage: sharp edges where reconstruction losses alone draw the mean of all edges.

Shape letters: B batch, C latent channels, T latent frames, P pixel frames, N pairs of frames, H W pixels or cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor, nn
from torch.nn import functional

from onestory_cli.training.clip_vae import decode_clips, whole_clips
from onestory_cli.training.objective import Losses, mixed_precision
from onestory_cli.training.vae_objective import VaeObjective, psnr

PAIRS = 2  # pairs of frames per clip that the discriminator sees; all 16 of a clip are nearly alike
NOISE = 0.05  # of pixels in -1..1: hides differences that are too small to be seen
PENALTY = 10.0  # of the squared gradient of a pair's mean score


class FrameDiscriminator(nn.Module):
    """Scores each patch of two consecutive frames: high if they look rendered, low if they look decoded.

    Two frames, because edges that are sharp but flicker should score low. A score depends on 54 x 54 pixels.
    """

    def __init__(self, width: int = 48, *, seed: int = 0) -> None:
        super().__init__()
        halved = [(6, width), (width, 2 * width), (2 * width, 4 * width)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers = [nn.Conv2d(*channels, kernel_size=4, stride=2, padding=1) for channels in halved]
            layers += [nn.Conv2d(4 * width, count, kernel_size=3, padding=1) for count in (4 * width, 1)]
        self.layers = nn.ModuleList(layers)

    def forward(self, pairs_NCHW: Tensor) -> Tensor:
        """Scores (N, 1, H / 8, W / 8) of pairs (N, 6, H, W) in -1..1."""
        *hidden, last = self.layers
        states = pairs_NCHW.contiguous(memory_format=torch.channels_last)
        for layer in hidden:
            states = functional.leaky_relu(layer(states), 0.2)
        scores: Tensor = last(states).float()
        return scores


@dataclass(frozen=True, kw_only=True)
class AdversarialObjective:
    """Two losses per step: first that of the decoder, then that of the discriminator.

    The discriminator compares each decoded pair of frames with a rendered one (the relativistic pairing loss, arXiv
    1807.00734). For a true clip that is the same pair, which teaches it in a tenth of the steps. `generated` latents
    (clips, C, T, H, W) have no true frames: the discriminator compares them with those of any clip, and another loss
    keeps them close to what `before` draws, the VAE from the start of the stage.
    """

    reconstruction: VaeObjective
    discriminator: FrameDiscriminator
    dtype: str
    generated: Tensor
    before: AutoencoderKLWan

    def __call__(self, rng: np.random.Generator, noise: torch.Generator) -> Iterator[Losses]:
        stage = self.reconstruction.stage
        with self._autocast():
            true = self.reconstruction.reconstruct(rng, noise)
            generated, before = self._decode_generated(rng)
        decoded = torch.cat([true.decoded, generated])
        starts_BN = torch.from_numpy(rng.integers(decoded.shape[2] - 1, size=(len(decoded), PAIRS)))
        matched = torch.arange(len(decoded)) % len(true.pixels)
        rendered = noisy(frame_pairs(true.pixels[matched], starts_BN), noise)
        made = noisy(frame_pairs(decoded, starts_BN), noise)
        self.discriminator.requires_grad_(False)
        with self._autocast():
            adversarial = functional.softplus(self.discriminator(rendered) - self.discriminator(made)).mean()
        moved = (generated - before).abs().mean() if len(generated) else torch.zeros(())
        loss = true.loss + stage.keep_weight * moved + stage.adversarial * adversarial
        parts = {"reconstruction": true.loss, "moved": moved, "adversarial": adversarial}
        found = {name: value.detach() for name, value in parts.items()}
        yield {"loss": loss, "psnr": psnr(true.decoded.detach(), true.pixels), **found}
        self.discriminator.requires_grad_(True)
        yield self.discrimination(made.detach(), rendered)

    def discrimination(self, made: Tensor, rendered: Tensor) -> Losses:
        """The discriminator's loss, with gradient penalties on both kinds of pairs (R1 and R2, arXiv 2501.05441).

        Without the penalties the decoder learns invisible patterns that raise its scores.
        """
        pairs = torch.cat([made, rendered]).requires_grad_()
        with self._autocast():
            scores = self.discriminator(pairs)
            (slope,) = torch.autograd.grad(scores.mean((1, 2, 3)).sum(), pairs, create_graph=True)
        of_made, of_rendered = scores.chunk(2)
        loss = functional.softplus(of_made - of_rendered).mean()
        penalty = slope.square().sum((1, 2, 3)).mean()
        return {"loss": loss + PENALTY / 2 * penalty, "discriminator": loss.detach(), "penalty": penalty.detach()}

    def _decode_generated(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """`stage.generated` clips (B, 3, P, H, W) from their first frame on: as they are drawn now, and before."""
        objective, stage = self.reconstruction, self.reconstruction.stage
        vae = objective.model.codec.vae
        if not stage.generated:
            return torch.empty(0, device=vae.device), torch.empty(0, device=vae.device)
        first = 1 + (stage.frames - 1) // objective.model.codec.temporal_stride
        chosen = self.generated[rng.integers(len(self.generated), size=stage.generated), :, :first].to(vae.device)
        with whole_clips(vae, compiled=objective.compiled):
            decoded = decode_clips(vae, chosen).float()
        with whole_clips(self.before, compiled=False), torch.no_grad():  # compiled norms would be compiled again
            return decoded, decode_clips(self.before, chosen).float()

    def _autocast(self) -> AbstractContextManager[object]:
        """Entered for each update: autocast keeps cast weights until it exits, and would hide the update."""
        return mixed_precision(self.reconstruction.model.device, self.dtype)


def frame_pairs(clips_BCPHW: Tensor, starts_BN: Tensor) -> Tensor:
    """Consecutive frames as channels: pairs (B * N, 6, H, W) that start at the frames `starts_BN`."""
    rows = torch.arange(len(clips_BCPHW))[:, None]
    frames = clips_BCPHW.transpose(1, 2)
    return torch.cat([frames[rows, starts_BN], frames[rows, starts_BN + 1]], dim=2).flatten(0, 1)


def noisy(pixels: Tensor, noise: torch.Generator) -> Tensor:
    """Pixels with Gaussian noise of size `NOISE`."""
    return pixels + NOISE * torch.randn(pixels.shape, generator=noise).to(pixels)
