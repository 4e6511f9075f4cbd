"""The base of an adapter, part by part: captions and shots are encoded first and their encoders let go again, so that
the transformer has the memory of the device for itself.

Shape letters: B batch, C latent channels, T latent frames, P pixel frames, H W, L text tokens, E text width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoTokenizer, UMT5EncoderModel

from onestory_cli.models.catalog import ModelSpec
from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.models.load import LoadedModel, Reader
from onestory_cli.models.transformer import MemoryWanTransformer

ABSENT = cast(Any, None)  # a part of a model that is not in memory
Captions = Callable[[list[str]], Tensor]  # captions -> (B, L, E), zero after each caption's end
Videos = Callable[[NDArray[np.uint8]], Tensor]  # pixels (B, P, H, W, 3) -> normalised latents (B, C, T, H, W)


@dataclass(frozen=True)
class Base:
    """A base on disk, and the device that its parts go to."""

    spec: ModelSpec
    device: torch.device

    @property
    def text_identity(self) -> str:
        """What an encoded caption is a function of, beside the caption."""
        return fingerprint(str(self._part("text_encoder"))) + fingerprint(str(self._part("tokenizer")))

    @property
    def video_identity(self) -> str:
        """What latents are a function of, beside the pixels."""
        return fingerprint(str(self._part("vae")))

    @contextmanager
    def captions(self) -> Iterator[Captions]:
        """The text encoder, for as long as the context lasts."""
        reader = Reader(
            spec=self.spec,
            text_encoder=UMT5EncoderModel.from_pretrained(self._part("text_encoder"), dtype=self._type()),
            tokenizer=AutoTokenizer.from_pretrained(self._part("tokenizer")),
            selector=ABSENT,
            device=self.device,
        )
        reader.text_encoder.to(self.device).eval().requires_grad_(False)
        yield reader.encode_text

    @contextmanager
    def videos(self) -> Iterator[Videos]:
        """The VAE, for as long as the context lasts."""
        yield self.painter().encode_video

    def painter(self, **parts: Any) -> LoadedModel:
        """The VAE and whatever `parts` are at hand, as a model."""
        vae = AutoencoderKLWan.from_pretrained(self._part("vae"), disable_mmap=True, torch_dtype=torch.float32)
        vae.to(self.device).eval().requires_grad_(False)
        absent = dict.fromkeys(("text_encoder", "tokenizer", "selector", "transformer", "conditioner"), ABSENT)
        return LoadedModel(**{**absent, **parts}, spec=self.spec, vae=vae, device=self.device)

    def transformer(self, dtype: torch.dtype) -> MemoryWanTransformer:
        """The transformer in evaluation mode, frozen."""
        loaded = MemoryWanTransformer.from_pretrained(self._part("transformer"), disable_mmap=True, torch_dtype=dtype)
        return cast(MemoryWanTransformer, loaded.eval().requires_grad_(False))

    def _part(self, name: str) -> Path:
        return Path(self.spec.base) / name

    def _type(self) -> torch.dtype:
        return torch.float32 if self.device.type == "cpu" else torch.bfloat16
