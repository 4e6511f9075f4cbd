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

import torch
from torch import Tensor

from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.models.load import image_parts, load_transformer, load_vae, reading_weights, text_parts, to_device
from onestory_cli.models.model import NO_MODULE, LoadedModel, Reader
from onestory_cli.models.spec import ModelSpec
from onestory_cli.models.transformer import MemoryWanTransformer

Captions = Callable[[list[str]], Tensor]  # captions -> (B, L, E), zero after each caption's end


@dataclass(frozen=True)
class Base:
    """A base on disk, and the device that its parts go to. `part` is the expert that learns: "transformer" or
    "transformer_2"; `spec` speaks of that one alone."""

    spec: ModelSpec
    device: torch.device
    part: str = "transformer"

    @property
    def text_identity(self) -> str:
        """What an encoded caption is a function of, beside the caption."""
        return self._fingerprint("text_encoder", "tokenizer")

    @property
    def video_identity(self) -> str:
        """What latents, and what a base makes of first frames, are a function of, beside the pixels."""
        return self._fingerprint("vae", *(["image_encoder", "image_processor"] if self.spec.image_tokens else []))

    @contextmanager
    def captions(self) -> Iterator[Captions]:
        """The text encoder, for as long as the context lasts."""
        with reading_weights(self.spec):
            parts = text_parts(self.spec, self.device)
        reader = Reader(spec=self.spec, **parts, selector=NO_MODULE, device=self.device)
        to_device(self.device, reader.text_encoder)
        yield reader.encode_text

    def painter(self, **parts: Any) -> LoadedModel:
        """The VAE and whatever `parts` are at hand, as a model; what else it has is not in memory."""
        with reading_weights(self.spec):
            vae = load_vae(self.spec)
        to_device(self.device, vae)
        absent = dict.fromkeys(("text_encoder", "tokenizer", "selector", "transformer", "conditioner"), NO_MODULE)
        return LoadedModel(**{**absent, **parts}, spec=self.spec, vae=vae, device=self.device)

    def seer(self) -> LoadedModel:
        """The parts that look at pictures: the VAE, and the image encoder of a base that has one."""
        if not self.spec.image_tokens:
            return self.painter()
        with reading_weights(self.spec):
            parts = image_parts(self.spec, torch.float32)
        to_device(self.device, parts["image_encoder"])
        return self.painter(**parts)

    def transformer(self, dtype: torch.dtype) -> MemoryWanTransformer:
        """The transformer that learns, frozen yet."""
        with reading_weights(self.spec):
            loaded = load_transformer(self.spec, self.part, dtype)
        to_device(self.device, loaded)
        return cast(MemoryWanTransformer, loaded)

    def _fingerprint(self, *parts: str) -> str:
        return "".join(fingerprint(str(Path(self.spec.base) / part)) for part in parts)
