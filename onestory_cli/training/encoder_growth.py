"""Add layers to a text encoder between stages of training, and words before the first one.

A new layer changes nothing at first, because its output projections are zero. Its heads are initialised to fixed
relative positions: the previous word, all words before, all words after, a few words back. From random weights,
attention hardly learns word positions: the embedded model knew the words of a caption and the order of its colours, but
not which colour belongs to the fox, or whether the fox is named first.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from transformers import UMT5EncoderModel

_SURE = 8.0  # logit bonus of a head's preferred positions


def grow_text_encoder(encoder: UMT5EncoderModel, layers: int, *, seed: int) -> None:
    """Add layers until there are `layers`; does nothing if the encoder has that many."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        while len(encoder.encoder.block) < layers:
            encoder.encoder.block.append(_fresh(encoder.encoder.block[-1], width=encoder.config.d_model))
    encoder.config.num_layers = len(encoder.encoder.block)


@torch.no_grad()
def grow_vocabulary(encoder: UMT5EncoderModel, tokens: int, *, seed: int) -> None:
    """Add embeddings until there are `tokens`, drawn from the spread of the present ones in each dimension."""
    known = len(encoder.shared.weight)
    if tokens <= known:
        return
    encoder.resize_token_embeddings(tokens, mean_resizing=False)
    table_VE, generator = encoder.shared.weight, torch.Generator().manual_seed(seed)
    noise = torch.randn(tokens - known, table_VE.shape[1], generator=generator)
    table_VE[known:] = table_VE[:known].mean(0) + table_VE[:known].std(0) * noise.to(table_VE)


@torch.no_grad()
def _fresh(last: nn.Module, *, width: int) -> nn.Module:
    layer = copy.deepcopy(last)
    attention, feed_forward = layer.layer[0].SelfAttention, layer.layer[1].DenseReluDense
    for module in (attention.q, attention.k, attention.v, feed_forward.wi_0, feed_forward.wi_1):
        nn.init.normal_(module.weight, std=width**-0.5)
    attention.q.weight.mul_(0.1)  # at first, attention depends on positions rather than words
    for module in (attention.o, feed_forward.wo):
        nn.init.zeros_(module.weight)
    for part in layer.layer:
        nn.init.ones_(part.layer_norm.weight)
    _look_at_places(attention.relative_attention_bias.weight)
    return layer


def _look_at_places(table_NH: torch.Tensor) -> None:
    """Fill a table (N distances, H heads): distances 0, 1, 2, ... back, then 0, 1, 2, ... forward from the middle."""
    middle = len(table_NH) // 2
    back, forward = slice(0, middle), slice(middle, None)
    table_NH.zero_()
    for head, (places, sure) in enumerate([(1, _SURE), (forward, -_SURE), (back, -_SURE), (slice(2, 5), _SURE)]):
        if head < table_NH.shape[1]:
            table_NH[places, head] = sure
