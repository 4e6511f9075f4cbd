"""Captions -> text embeddings, by the text encoder of a Wan base.

Shape letters: B batch, L text tokens, E text width.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

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
