"""Load the parts of a base one at a time: encoders are released before the transformer is loaded, to save memory.

Shape letters: B batch, C latent channels, T latent frames, P pixel frames, H W, L text tokens, E text width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from accelerate import init_empty_weights
from accelerate.utils import broadcast_object_list
from torch import Tensor, distributed, nn

from onestory_cli.memory.conditioner import AdaptiveConditioner
from onestory_cli.memory.selector import FrameSelector
from onestory_cli.models.encoders import CPU, VaeCodec
from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.models.load import (
    load_caption_encoder,
    load_codec,
    load_image_encoder,
    load_transformer,
    reading_weights,
    to_device,
)
from onestory_cli.models.model import ClipImageEncoder, Denoiser
from onestory_cli.models.spec import ModelSpec
from onestory_cli.models.transformer import MemoryWanTransformer

Captions = Callable[[list[str]], Tensor]  # captions -> (B, L, E), zero after each caption's end


@dataclass(kw_only=True)
class AdapterModel:
    """A base with an adapter or a student in training.

    It has no text encoder, because captions are encoded in advance. `frame_selector` is None for a base without memory
    adapter, whose student is trained without memory.
    """

    codec: VaeCodec
    denoiser: Denoiser
    frame_selector: FrameSelector | None = None

    @property
    def spec(self) -> ModelSpec:
        """The spec of the base with the adapter's settings."""
        return self.denoiser.spec

    @property
    def device(self) -> torch.device:
        """The device of all parts."""
        return self.denoiser.device

    @property
    def transformer(self) -> MemoryWanTransformer:
        """The transformer to train."""
        return self.denoiser.transformers[0]

    @property
    def selector(self) -> FrameSelector:
        """The frame selector; only models with a memory adapter have one."""
        assert self.frame_selector is not None, "a base without memory adapter has no frame selector"
        return self.frame_selector

    @property
    def conditioner(self) -> AdaptiveConditioner:
        """The conditioner of the transformer; only models with a memory adapter have one."""
        return self.denoiser.conditioners[0]

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The transformer and the parts of the memory adapter by their names in an adapter file."""
        adapter = {"selector": self.frame_selector, "conditioner": next(iter(self.denoiser.conditioners), None)}
        return {"transformer": self.transformer, **{name: part for name, part in adapter.items() if part is not None}}


@dataclass(frozen=True, kw_only=True)
class PictureModel:
    """The parts of a base that encode pictures."""

    spec: ModelSpec
    codec: VaeCodec
    image_encoder: ClipImageEncoder | None = None


@dataclass(frozen=True)
class Base:
    """A base on disk and the device for its parts.

    `part` is the expert to train, "transformer" or "transformer_2". `spec` describes that expert only. `sharded`: the
    transformer will be split among the processes, so it stays on the CPU and only the first process reads it.
    """

    spec: ModelSpec
    device: torch.device
    part: str = "transformer"
    sharded: bool = False

    @property
    def text_identity(self) -> str:
        """Fingerprint of everything except the caption that an encoded caption depends on."""
        return self._fingerprint("text_encoder", "tokenizer")

    @property
    def video_identity(self) -> str:
        """Fingerprint of everything except the pixels that latents and encoded first frames depend on."""
        return self._fingerprint("vae", *(["image_encoder", "image_processor"] if self.spec.image_tokens else []))

    @contextmanager
    def captions(self) -> Iterator[Captions]:
        """Load the text encoder and release it at the end of the context."""
        with reading_weights(self.spec):
            encoder = load_caption_encoder(self.spec, self.device)
        to_device(self.device, encoder.encoder)
        yield encoder.encode

    def codec(self) -> VaeCodec:
        """The VAE."""
        with reading_weights(self.spec):
            return load_codec(self.spec, self.device)

    def pictures(self) -> PictureModel:
        """The parts that encode pictures: the VAE and, if the base has one, the image encoder."""
        if not self.spec.image_tokens:
            return PictureModel(spec=self.spec, codec=self.codec())
        with reading_weights(self.spec):
            encoder = load_image_encoder(self.spec, self.device, torch.float32)
        to_device(self.device, encoder.encoder)
        return PictureModel(spec=self.spec, codec=self.codec(), image_encoder=encoder)

    def transformer(self, dtype: torch.dtype) -> MemoryWanTransformer:
        """The transformer to train, still frozen. All processes call this if it is sharded."""
        if self.sharded:
            return self._shared_transformer(dtype)
        loaded = self._read(dtype)
        to_device(self.device, loaded)
        return loaded

    def _shared_transformer(self, dtype: torch.dtype) -> MemoryWanTransformer:
        """The weights in the first process; the others get theirs from it when they are sharded."""
        loaded = self._read(dtype) if distributed.get_rank() == 0 else None
        types = [{} if loaded is None else {name: value.dtype for name, value in loaded.named_parameters()}]
        broadcast_object_list(types)
        if loaded is None:
            loaded = empty_transformer(Path(self.spec.files.base) / self.part, types[0])
        to_device(CPU, loaded)
        return loaded

    def _read(self, dtype: torch.dtype) -> MemoryWanTransformer:
        with reading_weights(self.spec):
            return cast(MemoryWanTransformer, load_transformer(self.spec, self.part, dtype))

    def _fingerprint(self, *parts: str) -> str:
        return "".join(fingerprint(str(Path(self.spec.files.base) / part)) for part in parts)


def empty_transformer(folder: Path, types: Mapping[str, torch.dtype]) -> MemoryWanTransformer:
    """The transformer of a folder with parameters of these types.

    They are never written to, so the system gives them no memory. Each has an address, by which accelerate maps the
    parameters of the optimizer to their shards; parameters on the device "meta" have none.
    """
    with init_empty_weights():
        empty = MemoryWanTransformer.from_config(MemoryWanTransformer.load_config(folder))
    for name, value in list(empty.named_parameters()):
        module, _, leaf = name.rpartition(".")
        setattr(empty.get_submodule(module), leaf, nn.Parameter(torch.empty(value.shape, dtype=types[name])))
    return cast(MemoryWanTransformer, empty)
