"""Compute the keys and values of context tokens once per shot instead of once per step.

Context tokens do not change from step to step; only the noise tokens that they attend to do. Keeping their keys and
values of the first step leaves their part of every later step out. The result differs slightly from the full pass.

Shape letters: B batch, S context tokens, M tokens of the sequence, D width, H heads, R width of one head.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from torch import Tensor

from onestory_cli.models.transformer import ContextReuse, MemoryWanTransformer, RotaryEmbedding


class ContextCacheProcessor(WanAttnProcessor):
    """Self-attention that stores the keys and values of the first S tokens, or attends to stored ones."""

    def __init__(self, reuse: ContextReuse, stock: WanAttnProcessor) -> None:
        super().__init__()
        self._attention_backend = stock._attention_backend
        self.reuse = reuse
        self.stored: tuple[Tensor, Tensor] | None = None

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: RotaryEmbedding | None = None,
    ) -> Tensor:
        """As the stock processor; in a call that reads, over the stored and the given tokens."""
        if self.reuse.reads:
            return self._read(attn, hidden_states, rotary_emb)
        if self.reuse.tokens:
            self._store(attn, hidden_states[:, : self.reuse.tokens], rotary_emb)
        output: Tensor = super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, rotary_emb)
        return output

    def _store(self, attn: Any, context_BSD: Tensor, rotary: RotaryEmbedding | None) -> None:
        assert rotary is not None, "self-attention has rotary positions"
        cos, sin = (item[:, : context_BSD.shape[1]] for item in rotary)
        key = rotate(_heads(attn, attn.norm_k(attn.to_k(context_BSD))), (cos, sin))
        self.stored = key, _heads(attn, attn.to_v(context_BSD))

    def _read(self, attn: Any, states_BMD: Tensor, rotary: RotaryEmbedding | None) -> Tensor:
        assert rotary is not None, "self-attention has rotary positions"
        assert self.stored is not None, "the first step stores"
        query = rotate(_heads(attn, attn.norm_q(attn.to_q(states_BMD))), rotary)
        key = rotate(_heads(attn, attn.norm_k(attn.to_k(states_BMD))), rotary)
        value = _heads(attn, attn.to_v(states_BMD))
        attended: Tensor = dispatch_attention_fn(
            query,
            torch.cat([self.stored[0], key], dim=1),
            torch.cat([self.stored[1], value], dim=1),
            backend=self._attention_backend,
        )
        output: Tensor = attn.to_out[0](attended.flatten(2, 3).type_as(query))
        return output


@contextmanager
def reuse_context(transformers: Iterable[Any]) -> Iterator[None]:
    """Inside, each transformer computes its context tokens in its first call that has any, and reuses them afterwards.

    All calls inside must have the same context. Transformers that are split over several processes are left alone.
    """
    chosen = [item for item in transformers if isinstance(item, MemoryWanTransformer) and not _is_split(item)]
    stock = [(block.attn1, block.attn1.processor) for item in chosen for block in item.blocks]
    for item in chosen:
        item.context_reuse = ContextReuse()
        for block in item.blocks:
            block.attn1.set_processor(ContextCacheProcessor(item.context_reuse, block.attn1.processor))
    try:
        yield
    finally:
        for attention, processor in stock:
            attention.set_processor(processor)
        for item in chosen:
            item.context_reuse = None


def rotate(states_BMHR: Tensor, rotary: RotaryEmbedding) -> Tensor:
    """Apply rotary positions to interleaved pairs, as the Wan attention does."""
    even, odd = states_BMHR.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = rotary[0][..., 0::2], rotary[1][..., 1::2]
    turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    return turned.flatten(-2).type_as(states_BMHR)


def _heads(attn: Any, states_BMD: Tensor) -> Tensor:
    return states_BMD.unflatten(2, (attn.heads, -1))


def _is_split(transformer: MemoryWanTransformer) -> bool:
    return any(block.attn1.processor._parallel_config is not None for block in transformer.blocks)
