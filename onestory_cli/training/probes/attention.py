"""Attention supervision: the tokens of a character attend to the remembered tokens of the same character.

A model that copies looks from memory may copy them from the wrong character long after its tokens distinguish the two.
This loss supervises half of the heads of one block: a character's tokens should direct their attention to remembered
tokens of the same character rather than of others. The other half of the heads do the same for settings, in the tokens
that show no character.

Shape letters: B batch, A actors of a shot, M joined tokens, S context tokens, N noise tokens, D width, G heads, R width
of a head.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.embeddings import apply_rotary_emb
from torch import Tensor, nn

from onestory_cli.training.probes.token_probe import NO_LABEL, TokenContent

_NOTHING = 1e-6  # minimum share: its logarithm excludes tokens that show no character from the sums


@contextmanager
def capture_block_inputs(transformer: nn.Module, block: int) -> Iterator[list[tuple[Any, ...]]]:
    """Collect the arguments of every call of block `block`, counted from 0."""
    kept: list[tuple[Any, ...]] = []
    hook = transformer.blocks[block].register_forward_pre_hook(lambda _module, inputs: kept.append(inputs))
    try:
        yield kept
    finally:
        hook.remove()


def match_loss(logits_BGNS: Tensor, context: TokenContent, noise: TokenContent, *, label: int = 0) -> Tensor:
    """Negative log of the share of attention that noise tokens pay to the remembered tokens of their own actor.

    The mean over noise tokens is weighted by how much of each token shows the actor. Label number `label` identifies
    the actor or setting. Only actors that occur in memory together with others are counted.
    """
    made_BA, remembered_BAS = noise.labels_BAMK[:, :, 0, label], context.labels_BAMK[..., label]
    same_BAAS = made_BA[:, :, None, None] == remembered_BAS[:, None]
    known_BAS = context.cover_BAM * (remembered_BAS != NO_LABEL)
    own_BAS = (known_BAS[:, None] * same_BAAS).sum(2)
    any_BAS = known_BAS.sum(1, keepdim=True).expand_as(own_BAS)
    asked_BA = (own_BAS.sum(2) > 0) & ((any_BAS - own_BAS).sum(2) > 0) & (made_BA != NO_LABEL)
    weight_BAN = noise.cover_BAM * asked_BA[..., None]
    likely_BAGN = _mass(logits_BGNS, own_BAS) - _mass(logits_BGNS, any_BAS)
    return -(weight_BAN * likely_BAGN.mean(2)).sum() / weight_BAN.sum().clamp(min=_NOTHING)


def _mass(logits_BGNS: Tensor, cover_BAS: Tensor) -> Tensor:
    """(B, A, G, N): log of the unnormalised attention to the context tokens, weighted by `cover_BAS`."""
    return (logits_BGNS[:, None] + cover_BAS.clamp(min=_NOTHING).log()[:, :, None, None]).logsumexp(-1)


def context_attention_logits(block: nn.Module, entered: tuple[Any, ...], context: int) -> Tensor:
    """(B, G, N, S): attention logits from the noise tokens to the first `context` tokens.

    `entered` are the block's arguments: hidden states (B, M, D), text, modulation (B, M, 6, D) and the rotary table.
    """
    hidden_BMD, _, modulation_BM6D, rotary = entered
    attention = block.attn1
    shift_BMD, scale_BMD = (block.scale_shift_table[None] + modulation_BM6D.float())[:, :, :2].unbind(2)
    normed_BMD = (block.norm1(hidden_BMD.float()) * (1 + scale_BMD) + shift_BMD).type_as(hidden_BMD)
    query = attention.norm_q(attention.to_q(normed_BMD[:, context:]))
    key = attention.norm_k(attention.to_k(normed_BMD[:, :context]))
    query_BNGR, key_BSGR = (item.unflatten(2, (attention.heads, -1)) for item in (query, key))
    cos_MR, sin_MR = (table[0, :, 0] for table in rotary[:2])  # the base's table has one row for the whole batch
    query_BNGR = apply_rotary_emb(query_BNGR, (cos_MR[context:], sin_MR[context:]), sequence_dim=1)
    key_BSGR = apply_rotary_emb(key_BSGR, (cos_MR[:context], sin_MR[:context]), sequence_dim=1)
    return torch.einsum("bngr,bsgr->bgns", query_BNGR, key_BSGR).float() * query_BNGR.shape[-1] ** -0.5
