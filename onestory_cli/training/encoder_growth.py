"""A text encoder that grows by layers in the course of a training.

A fresh layer changes nothing until it has learned, since what it adds to the words starts at zero. Its heads start by
looking at places: one at the word before, one at all words before, one at all after, one a few words back. Attention
that starts anywhere hardly finds the places of words; the embedded model knew which words a caption has and in which
order its colours come, but not which colour a fox has, nor whether it is the first-named.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from transformers import UMT5EncoderModel

_SURE = 8.0  # logits by which a head prefers the places that it looks at


def grow_text_encoder(encoder: UMT5EncoderModel, layers: int, *, seed: int) -> None:
    """Add fresh layers until there are so many; one that has them already stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        while len(encoder.encoder.block) < layers:
            encoder.encoder.block.append(_fresh(encoder.encoder.block[-1], width=encoder.config.d_model))
    encoder.config.num_layers = len(encoder.encoder.block)


@torch.no_grad()
def _fresh(last: nn.Module, *, width: int) -> nn.Module:
    layer = copy.deepcopy(last)
    attention, feed_forward = layer.layer[0].SelfAttention, layer.layer[1].DenseReluDense
    for module in (attention.q, attention.k, attention.v, feed_forward.wi_0, feed_forward.wi_1):
        nn.init.normal_(module.weight, std=width**-0.5)
    attention.q.weight.mul_(0.1)  # at first places decide, and not what stands there
    for module in (attention.o, feed_forward.wo):
        nn.init.zeros_(module.weight)
    for part in layer.layer:
        nn.init.ones_(part.layer_norm.weight)
    _look_at_places(attention.relative_attention_bias.weight)
    return layer


def _look_at_places(table_NH: torch.Tensor) -> None:
    """Fill a table (N distances, H heads): distances 0, 1, 2, ... back, and from the middle on 0, 1, 2, ... forward."""
    middle = len(table_NH) // 2
    back, forward = slice(0, middle), slice(middle, None)
    table_NH.zero_()
    for head, (places, sure) in enumerate([(1, _SURE), (forward, -_SURE), (back, -_SURE), (slice(2, 5), _SURE)]):
        if head < table_NH.shape[1]:
            table_NH[places, head] = sure
