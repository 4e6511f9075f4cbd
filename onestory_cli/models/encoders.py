"""The encoders of a model: captions to text embeddings, pixels to latents and back.

Shape letters: B batch, L text tokens, E text width, C latent channels, T latent frames, P pixel frames, H W pixels or
latent cells.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

from onestory_cli.models.image_text_scorer import latents_digest

CPU = torch.device("cpu")
# Tokens of a caption. Wan was trained with this length, and its image-to-video attention splits the sequence at it.
TEXT_TOKENS = 512
MAX_CACHED_CAPTIONS = 64  # at Wan's text width these take about 50 MB


@dataclass(kw_only=True)
class CaptionEncoder:
    """A UMT5 encoder with its tokenizer, and a cache of the latest captions."""

    encoder: UMT5EncoderModel
    tokenizer: PreTrainedTokenizerBase
    device: torch.device = CPU
    cache: dict[str, Tensor] = field(default_factory=dict, repr=False, compare=False)

    def encode(self, captions: list[str]) -> Tensor:
        """Embeddings (B, L, E); zero after the end of each caption, as in Wan's training."""
        tokens = self.tokenizer(
            captions,
            padding="max_length",
            truncation=True,
            max_length=min(self.tokenizer.model_max_length, TEXT_TOKENS),
            return_tensors="pt",
        ).to(self.device)
        states_BLE = self.encoder(tokens.input_ids, attention_mask=tokens.attention_mask).last_hidden_state
        return states_BLE * tokens.attention_mask[..., None].to(states_BLE.dtype)

    def encode_cached(self, caption: str) -> Tensor:
        """Embeddings (1, L, E) of one caption, from the cache if possible.

        All shots share a negative caption, and the selection has already encoded the caption of the shot.
        """
        if caption not in self.cache:
            while len(self.cache) >= MAX_CACHED_CAPTIONS:
                del self.cache[next(iter(self.cache))]
            self.cache[caption] = self.encode([caption])
        return self.cache[caption]


@dataclass(kw_only=True)
class VaeCodec:
    """A VAE that encodes to and decodes from latents of zero mean and unit variance.

    `lock` serializes the calls: the VAE stores its causal cache on itself, and a background thread may decode. Decoder
    and encoder may have different dtypes.
    """

    vae: AutoencoderKLWan
    device: torch.device = CPU
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _last_pictures: tuple[bytes, NDArray[np.uint8]] | None = field(default=None, repr=False, compare=False)

    @property
    def temporal_stride(self) -> int:
        """Pixel frames per latent frame, after the first."""
        return self.vae.config.scale_factor_temporal or 4

    @property
    def decoder_dtype(self) -> torch.dtype:
        """The dtype that `decode` computes in."""
        dtype: torch.dtype = self.vae.post_quant_conv.weight.dtype
        return dtype

    def decode_in_bfloat16(self) -> None:
        """Convert the decoder to bfloat16 and the memory layout in which its convolutions are fastest.

        The encoder is unchanged: what a shot remembers of a picture does not depend on this.
        """
        for part in (self.vae.decoder, self.vae.post_quant_conv):
            part.to(torch.bfloat16)
            for weight in part.parameters():
                if weight.ndim == 5:
                    weight.data = weight.data.contiguous(memory_format=torch.channels_last_3d)

    def encode_video(self, pixels_BPHWC: NDArray[np.uint8]) -> Tensor:
        """Normalized latents (B, C, T, H, W) in float32, the mode of the posterior; P must be 4k + 1."""
        # the VAE drops excess frames silently
        assert pixels_BPHWC.shape[1] % self.temporal_stride == 1, "a clip has 4k + 1 frames"
        pixels = torch.tensor(np.ascontiguousarray(pixels_BPHWC)).to(self.device)
        return self.encode_values(pixels.permute(0, 4, 1, 2, 3).float().div(127.5).sub(1))

    def encode_values(self, values_BCPHW: Tensor) -> Tensor:
        """As `encode_video`, from values between -1 and 1; 0 is the mid gray that Wan reads as "not given"."""
        with self.lock:
            latents = self.vae.encode(values_BCPHW.to(self.device, self.vae.dtype)).latent_dist.mode().float()
        return self.normalized(latents)

    def encode_image(self, pixels_HWC: NDArray[np.uint8]) -> Tensor:
        """Latents (C, 1, H, W) of one picture: the first latent frame of a causal VAE holds one pixel frame."""
        return self.encode_video(pixels_HWC[None, None])[0]

    def decode(self, latents_CTHW: Tensor, *, keep_pictures: bool = False) -> NDArray[np.uint8]:
        """Pixels (P, H, W, 3). With `keep_pictures`, the next `frame_pictures` of these latents decodes nothing."""
        latents = self.denormalized(latents_CTHW[None])
        with self.lock:
            pixels = self.vae.decode(latents.to(self.decoder_dtype), return_dict=False)[0][0]
        scaled = pixels.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
        pixels_PHWC: NDArray[np.uint8] = scaled.permute(1, 2, 3, 0).cpu().numpy()
        if keep_pictures:
            self._last_pictures = latents_digest(latents_CTHW), pixels_PHWC[:: self.temporal_stride].copy()
        return pixels_PHWC

    def frame_pictures(self, latents_CTHW: Tensor, first: int | None = None) -> NDArray[np.uint8]:
        """One picture per latent frame (T, H, W, 3), or of the `first` ones: the last pixel frame that each holds.

        Only the frames up to `first` are decoded: the VAE is causal, so they do not depend on later ones.
        """
        if self._last_pictures and self._last_pictures[0] == latents_digest(latents_CTHW):
            return self._last_pictures[1][:first]
        return self.decode(latents_CTHW[:, :first])[:: self.temporal_stride]

    def normalized(self, latents_BCTHW: Tensor) -> Tensor:
        """Latents of the stock encoder with zero mean and unit variance."""
        mean, std = self._latent_statistics()
        return (latents_BCTHW - mean) / std

    def denormalized(self, latents_BCTHW: Tensor) -> Tensor:
        """Latents as the stock decoder reads them."""
        mean, std = self._latent_statistics()
        return latents_BCTHW.to(self.device) * std + mean

    def _latent_statistics(self) -> tuple[Tensor, Tensor]:
        """(mean, std) of the VAE's latents, each (1, C, 1, 1, 1)."""
        config = self.vae.config
        values = torch.tensor([config.latents_mean, config.latents_std], device=self.device).view(2, 1, -1, 1, 1, 1)
        return values[0], values[1]
