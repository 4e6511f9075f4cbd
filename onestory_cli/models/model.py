"""A model in memory: text encoder, VAE, selection model, transformers. `load.py` loads it.

The selection of memory frames needs a text encoder and a trained selector, or a VAE and an image-text model without an
adapter. Neither needs the transformer.

Shape letters: F bank frames, C latent channels, T latent frames, H W latent cells or pixels, L text tokens, E text
width, I image tokens, V image width.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import diffusers
import numpy as np
import torch
import transformers
from diffusers import (
    SchedulerMixin,
    WanVACETransformer3DModel,
)
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import CLIPVisionModel

from onestory_cli.memory.bank import MemoryBank
from onestory_cli.memory.conditioner import AdaptiveConditioner
from onestory_cli.memory.keyframes import keyframes
from onestory_cli.memory.policies import needs_scores
from onestory_cli.memory.quantized import QuantizedFeatures
from onestory_cli.memory.selector import FrameSelector
from onestory_cli.models.character_crops import CharacterCropper
from onestory_cli.models.context_attention import isolate_context
from onestory_cli.models.encoders import CPU, CaptionEncoder, VaeCodec
from onestory_cli.models.image_text_scorer import ImageTextScorer, LatentsDigests
from onestory_cli.models.spec import ModelSpec
from onestory_cli.models.transformer import MemoryWanTransformer
from onestory_cli.schedulers import SCHEDULERS

# Bytes of cached features, in host memory: 380 shots of Wan at 480p and width 512. The features of further sources are
# computed again for each shot.
MAX_FEATURE_BYTES = 3 * 2**29


@dataclass(kw_only=True)
class TextSelector:
    """Scores latent frames by the trained selector of a memory adapter.

    Features are cached by the content of a source, so a new shot costs the features of the shot before it, however
    long the film is. They are stored as float32 for models that compute in it, else in 8 bits.
    """

    spec: ModelSpec
    text: CaptionEncoder
    selector: FrameSelector
    features: dict[bytes, Tensor | QuantizedFeatures] = field(default_factory=dict, repr=False, compare=False)
    digests: LatentsDigests = field(default_factory=LatentsDigests, repr=False, compare=False)

    def relevance(self, caption: str, bank: MemoryBank, policy: str) -> Tensor:
        """Relevance (1, F) of every bank frame to the caption; records list it even if `policy` does not read it."""
        if not bank.sources:
            return torch.zeros(1, 0)
        digests = self.digests.of([latents for latents, _ in bank.items])
        items = [(digest, *item) for digest, item in zip(digests, bank.items, strict=True)]
        for digest in self.features.keys() - {digest for digest, _, _ in items}:
            del self.features[digest]
        embeds_1LE = self.text.encode_cached(caption)
        return self.selector.score_sources((self._source(*item) for item in items), embeds_1LE)[None]

    def candidates(self, bank: MemoryBank) -> list[int]:
        """Positions of the bank frames that a policy may select: all of them."""
        return list(range(len(bank.refs)))

    def _source(self, digest: bytes, latents_CTHW: Tensor, age: int) -> tuple[Tensor, Tensor, Tensor]:
        """Features, ages and times of one source, on the device."""
        device, frames = self.text.device, latents_CTHW.shape[1]
        features_FND = self._features(digest, latents_CTHW).to(device, torch.float32)
        return features_FND, torch.full((frames,), age, device=device), torch.arange(frames, device=device)

    def _features(self, digest: bytes, latents_CTHW: Tensor) -> Tensor | QuantizedFeatures:
        if digest in self.features:
            return self.features[digest]
        features_FND = self.selector.features(latents_CTHW.transpose(0, 1).to(self.text.device))
        # always rounded, so that a frame has the same score whether its features were cached or not
        exact = self.spec.dtype == "float32"
        stored = features_FND.cpu() if exact else QuantizedFeatures.of(features_FND)
        if sum(item.nbytes for item in self.features.values()) + stored.nbytes <= MAX_FEATURE_BYTES:
            self.features[digest] = stored
        return stored


@dataclass(kw_only=True)
class PictureSelector:
    """Scores the decoded pictures of latent frames by an image-text model; no training needed."""

    spec: ModelSpec
    codec: VaeCodec
    scorer: ImageTextScorer
    digests: LatentsDigests = field(default_factory=LatentsDigests, repr=False, compare=False)

    def relevance(self, caption: str, bank: MemoryBank, policy: str) -> Tensor:
        """Similarity (1, F) of every bank frame to the caption; zeros if `policy` does not read scores.

        Decoding and embedding every frame is expensive, so it is skipped for such policies.
        """
        if not needs_scores(policy) or not bank.sources:
            return torch.zeros(1, len(bank.refs))
        return self.scorer.score(caption, torch.cat(self._embeds(bank)))[None]

    def candidates(self, bank: MemoryBank) -> list[int]:
        """Positions of the bank frames that a policy may select: all, or the keyframes for a base that reads those."""
        if self.spec.remembers != "keyframes" or not bank.sources:
            return list(range(len(bank.refs)))
        found = keyframes(self._embeds(bank))
        chosen = {(source, index) for source, indices in zip(bank.sources, found, strict=True) for index in indices}
        return [place for place, ref in enumerate(bank.refs) if (ref.source, ref.index) in chosen]

    def _embeds(self, bank: MemoryBank) -> list[Tensor]:
        """The embeddings of the pictures of each source."""
        latents = [bank.latents(source) for source in bank.sources]
        return [
            self.scorer.embed(digest, lambda item=item: self.codec.frame_pictures(item))
            for digest, item in zip(self.digests.of(latents), latents, strict=True)
        ]


SelectionModel = TextSelector | PictureSelector


def frame_scores(
    selector: FrameSelector, memory_BFCHW: Tensor, ages_F: Tensor, times_F: Tensor, prompt_embeds_BLE: Tensor
) -> Tensor:
    """Relevance (B, F) of every bank frame to the caption, on the device of the embeddings; (B, 0) for an empty bank.

    `ages_F` and `times_F` are as in `MemoryBank`.
    """
    batch, frames = memory_BFCHW.shape[:2]
    if frames == 0:  # attention over zero keys is undefined
        return memory_BFCHW.new_zeros(batch, 0)
    device = prompt_embeds_BLE.device
    ages, times = (item.to(device).expand(batch, -1) for item in (ages_F, times_F))
    return selector(memory_BFCHW.to(device), ages, times, prompt_embeds_BLE)


TRAIN_TIMESTEPS = 1000  # flow matching in diffusers runs from this timestep down to 0

Transformer: TypeAlias = "MemoryWanTransformer | WanVACETransformer3DModel"


@dataclass(kw_only=True)
class ClipImageEncoder:
    """The CLIP encoder of first frames, of bases that read image tokens (Wan 2.1 I2V)."""

    encoder: CLIPVisionModel
    processor: Any
    device: torch.device = CPU

    def encode(self, pixels_HWC: NDArray[np.uint8]) -> Tensor:
        """Image tokens (1, I, V), from the second-to-last layer, as in Wan's training."""
        inputs = self.processor(images=pixels_HWC, return_tensors="pt").to(self.device, self.encoder.dtype)
        return self.encoder(**inputs, output_hidden_states=True).hidden_states[-2]


@dataclass(kw_only=True)
class Denoiser:
    """The transformers of a model, the high-noise expert first, and the conditioner of each if there is an adapter.

    `dtype` is the type that the transformers compute in. A spec with `isolated_context` changes their attention.
    """

    spec: ModelSpec
    transformers: tuple[Transformer, ...]
    conditioners: tuple[AdaptiveConditioner, ...] = ()
    device: torch.device = CPU
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        if self.spec.isolated_context:
            for transformer in self.transformers:
                assert isinstance(transformer, MemoryWanTransformer), "VACE has no context tokens"
                isolate_context(transformer)

    def expert(self, timestep: Tensor) -> int:
        """Index of the transformer for a timestep (0 to 1000): 1 below the boundary of a model with two experts."""
        boundary = self.spec.boundary_ratio
        return int(boundary is not None and float(timestep) < boundary * TRAIN_TIMESTEPS)

    def scheduler(self, name: str, steps: int, shift: float) -> SchedulerMixin:
        """A diffusers scheduler with its timesteps set; `shift` is the flow shift of the sigmas."""
        return SCHEDULERS[name](steps, shift, self.device)

    def environment(self) -> dict[str, Any]:
        """What the bytes of a take depend on in addition to its key, for the record."""
        return {
            "device": str(self.device),
            "fitting": str(self.spec.execution),
            "dtype": str(self.dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "cpu": torch.backends.cpu.get_cpu_capability() if self.device.type == "cpu" else "",
            "gpu": torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "",
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        }


@dataclass(kw_only=True)
class LoadedModel:
    """A base, with its adapter if it has one, ready to generate shots."""

    text: CaptionEncoder
    codec: VaeCodec
    selection: SelectionModel
    denoiser: Denoiser
    image_encoder: ClipImageEncoder | None = None
    cropper: CharacterCropper = field(default_factory=CharacterCropper)

    @property
    def spec(self) -> ModelSpec:
        """The spec that the model was loaded from."""
        return self.denoiser.spec

    @property
    def device(self) -> torch.device:
        """Where the model computes; offloaded weights wait elsewhere."""
        return self.denoiser.device

    @property
    def transformer(self) -> Transformer:
        """The only transformer, or the high-noise expert."""
        return self.denoiser.transformers[0]

    @property
    def conditioner(self) -> AdaptiveConditioner:
        """The conditioner of `transformer`; only models with an adapter have one."""
        return self.denoiser.conditioners[0]

    @property
    def selector(self) -> FrameSelector:
        """The trained frame selector; only models with an adapter have one."""
        assert isinstance(self.selection, TextSelector), "a model without an adapter has no frame selector"
        return self.selection.selector

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """All modules with weights, except the scorer, which loads itself on first use."""
        selector = [self.selection.selector] if isinstance(self.selection, TextSelector) else []
        encoder = [self.image_encoder.encoder] if self.image_encoder else []
        denoiser = self.denoiser
        return (self.codec.vae, self.text.encoder, *selector, *encoder, *denoiser.conditioners, *denoiser.transformers)

    def to(self, device: torch.device) -> LoadedModel:
        """Move all parts to a device; returns the model itself."""
        assert not isinstance(self.selection, PictureSelector), "a scorer stays on the device that it was loaded for"
        for module in self.modules:
            module.to(device)
        for part in (self.text, self.codec, self.denoiser, self.image_encoder):
            if part is not None:
                part.device = device
        return self
