"""Self-attention in which context tokens attend only to context tokens, and noise tokens attend to all.

Context tokens then depend on neither the noise nor, on bases with one timestep per token, the step of the sampler.

Shape letters: B batch, S context tokens, M tokens of the sequence, D width, H heads, R width of one head.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from torch import Tensor

from onestory_cli.models.transformer import IsolatedRotary, MemoryWanTransformer, RotaryEmbedding


class IsolatedContextProcessor(WanAttnProcessor):
    """Self-attention in two calls: context over context, and noise over all. It needs no mask.

    The number of context tokens comes with the rotary table, an argument of the block: with gradient checkpointing,
    blocks run again after the forward call of the transformer has ended.
    """

    def __init__(self, stock: WanAttnProcessor) -> None:
        super().__init__()
        self._attention_backend = stock._attention_backend

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: IsolatedRotary | None = None,
    ) -> Tensor:
        """As the stock processor if there are no context tokens."""
        assert rotary_emb is not None, "self-attention has rotary positions"
        rotary, context = rotary_emb[:2], rotary_emb[2]
        if context == 0:
            output: Tensor = super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, rotary)
            return output
        query, key, value = project(attn, hidden_states, rotary)
        parts = [
            attend(query[:, :context], key[:, :context], value[:, :context], backend=self._attention_backend),
            attend(query[:, context:], key, value, backend=self._attention_backend),
        ]
        return project_out(attn, torch.cat(parts, dim=1))


def isolate_context(transformer: MemoryWanTransformer) -> None:
    """Let the context tokens of a transformer attend only to each other, from now on. Repeated calls change nothing."""
    if transformer.rope.isolated:
        return
    transformer.rope.isolated = True
    for block in transformer.blocks:
        block.attn1.set_processor(IsolatedContextProcessor(block.attn1.processor))


def join_context(transformer: MemoryWanTransformer) -> None:
    """Undo `isolate_context`: context tokens attend to all tokens again."""
    if not transformer.rope.isolated:
        return
    transformer.rope.isolated = False
    for block in transformer.blocks:
        stock = WanAttnProcessor()
        stock._attention_backend = block.attn1.processor._attention_backend
        block.attn1.set_processor(stock)


def project(attn: Any, states_BMD: Tensor, rotary: RotaryEmbedding) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value (B, M, H, R) of self-attention at their rotary positions."""
    query = rotate(split_heads(attn, attn.norm_q(attn.to_q(states_BMD))), rotary)
    return query, *project_memory(attn, states_BMD, rotary)


def project_memory(attn: Any, states_BMD: Tensor, rotary: RotaryEmbedding) -> tuple[Tensor, Tensor]:
    """Key and value (B, M, H, R) only."""
    key = rotate(split_heads(attn, attn.norm_k(attn.to_k(states_BMD))), rotary)
    return key, split_heads(attn, attn.to_v(states_BMD))


def attend(query_BMHR: Tensor, key: Tensor, value: Tensor, *, backend: Any) -> Tensor:
    """Attention without a mask, (B, M, H, R)."""
    attended: Tensor = dispatch_attention_fn(query_BMHR, key, value, backend=backend)
    return attended.type_as(query_BMHR)


def project_out(attn: Any, attended_BMHR: Tensor) -> Tensor:
    """The output (B, M, D) of self-attention; Wan has no dropout after it."""
    output: Tensor = attn.to_out[0](attended_BMHR.flatten(2, 3))
    return output


def rotate(states_BMHR: Tensor, rotary: RotaryEmbedding) -> Tensor:
    """Apply rotary positions to interleaved pairs, as the Wan attention does."""
    even, odd = states_BMHR.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = rotary[0][..., 0::2], rotary[1][..., 1::2]
    turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    return turned.flatten(-2).type_as(states_BMHR)


def split_heads(attn: Any, states_BMD: Tensor) -> Tensor:
    """(B, M, D) -> (B, M, H, R)."""
    return states_BMD.unflatten(2, (attn.heads, -1))
