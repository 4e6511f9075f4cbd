"""What the selection of memory frames needs of a model: with an adapter a text encoder and a frame selector, without
one a VAE and an image-text model. Neither needs the transformer.

Shape letters: F bank frames, C latent channels, T latent frames, H W latent cells, L text tokens, E text width.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from onestory_cli.memory.bank import MemoryBank
from onestory_cli.memory.keyframes import keyframes
from onestory_cli.memory.policies import needs_scores
from onestory_cli.memory.selector import FrameSelector
from onestory_cli.models.caption_encoder import CaptionEncoder
from onestory_cli.models.image_text_scorer import ImageTextScorer, latents_digest
from onestory_cli.models.spec import ModelSpec
from onestory_cli.models.vae_codec import VaeCodec

# Bytes of cached features, in host memory: 190 shots of Wan at 480p and width 512. The features of further sources are
# computed again for each shot.
MAX_FEATURE_BYTES = 3 * 2**29


@dataclass(kw_only=True)
class TextSelector:
    """Scores latent frames by the trained selector of a memory adapter.

    Features are cached by the content of a source, so a new shot costs the features of the shot before it, however
    long the film is. They are stored as float32 for models that compute in it, else as bfloat16.
    """

    spec: ModelSpec
    text: CaptionEncoder
    selector: FrameSelector
    features: dict[bytes, Tensor] = field(default_factory=dict, repr=False, compare=False)

    def relevance(self, caption: str, bank: MemoryBank, policy: str) -> Tensor:
        """Relevance (1, F) of every bank frame to the caption; records list it even if `policy` does not read it."""
        if not bank.sources:
            return torch.zeros(1, 0)
        items = [(latents_digest(latents), latents, age) for latents, age in bank.items]
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

    def _features(self, digest: bytes, latents_CTHW: Tensor) -> Tensor:
        if digest in self.features:
            return self.features[digest]
        features_FND = self.selector.features(latents_CTHW.transpose(0, 1).to(self.text.device))
        # always rounded, so that a frame has the same score whether its features were cached or not
        stored = features_FND.to("cpu", torch.float32 if self.spec.dtype == "float32" else torch.bfloat16)
        if sum(item.nbytes for item in self.features.values()) + stored.nbytes <= MAX_FEATURE_BYTES:
            self.features[digest] = stored
        return stored


@dataclass(kw_only=True)
class PictureSelector:
    """Scores the decoded pictures of latent frames by an image-text model; no training needed."""

    spec: ModelSpec
    codec: VaeCodec
    scorer: ImageTextScorer

    def relevance(self, caption: str, bank: MemoryBank, policy: str) -> Tensor:
        """Similarity (1, F) of every bank frame to the caption; zeros if `policy` does not read scores.

        Decoding and embedding every frame is expensive, so it is skipped for such policies.
        """
        if not needs_scores(policy) or not bank.sources:
            return torch.zeros(1, len(bank.refs))
        embeds = [self._embed(bank.latents(source)) for source in bank.sources]
        return self.scorer.score(caption, torch.cat(embeds))[None]

    def candidates(self, bank: MemoryBank) -> list[int]:
        """Positions of the bank frames that a policy may select: all, or the keyframes for a base that reads those."""
        if self.spec.remembers != "keyframes" or not bank.sources:
            return list(range(len(bank.refs)))
        found = keyframes([self._embed(bank.latents(source)) for source in bank.sources])
        chosen = {(source, index) for source, indices in zip(bank.sources, found, strict=True) for index in indices}
        return [place for place, ref in enumerate(bank.refs) if (ref.source, ref.index) in chosen]

    def _embed(self, latents_CTHW: Tensor) -> Tensor:
        return self.scorer.embed(latents_digest(latents_CTHW), lambda: self.codec.frame_pictures(latents_CTHW))


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
