"""Frame Selection: which remembered frames matter to this caption (OneStory Eq. 3-5).

Shape letters: B batch, F bank frames, N memory tokens per frame, S memory tokens, M queries, L text tokens, E text
width, D width, C latent channels, H heads or latent cells, W latent cells, R width of one head.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_MAP_VALUES = 2**25  # values of a map of the convolutions at a time: 128 MiB in float32
_GROUP_TOKENS = 2**12  # sources with fewer tokens are scored together; a shot of Wan in 480p has twice as many

# features (F, N, D) of latent frames, and the age and the time of each (F,)
SourceFeatures = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class SelectorConfig:
    """Sizes of a FrameSelector.

    `ages` and `times` are sizes of two small embedding tables: the distance in shots, and the index within the shot.
    The paper does not mention them. Without them, "the same place" cannot refer to the previous shot, and near-equal
    frames of one shot cannot be distinguished. 0 omits a table.
    `mask_padding`: the queries attend to the tokens of a caption only, not to its padding. Selectors that were trained
    without it need the default.
    """

    latent_channels: int
    text_dim: int
    width: int = 128
    queries: int = 4
    heads: int = 4
    ages: int = 8
    times: int = 8
    mask_padding: bool = False


class FrameSelector(nn.Module):
    """Scores every bank frame against the caption with learnable queries that attend to both."""

    def __init__(self, config: SelectorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.queries = nn.Parameter(torch.randn(config.queries, width) * 0.5)
        self.text_projection = nn.Linear(config.text_dim, width)  # phi_T
        self.memory_projection = nn.Sequential(  # phi_V
            nn.Conv2d(config.latent_channels, width // 2, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
        )
        self.ages = nn.Embedding(config.ages, width) if config.ages else None
        self.times = nn.Embedding(config.times, width) if config.times else None
        self.memory_norm = nn.LayerNorm(width)
        self.read_text = nn.MultiheadAttention(width, config.heads, batch_first=True)
        self.read_memory = nn.MultiheadAttention(width, config.heads, batch_first=True)
        self.text_norm = nn.LayerNorm(width)
        self.query_norm = nn.LayerNorm(width)
        self.mix = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        self.out_norm = nn.LayerNorm(width)
        self.pool_projection = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))  # phi_P
        self.bias = nn.Parameter(torch.zeros(1))  # FSDP 2 cannot shard a scalar
        self.register_load_state_dict_pre_hook(_accept_scalar_bias)

    def forward(self, memory_BFCHW: Tensor, ages_BF: Tensor, times_BF: Tensor, text_BLE: Tensor) -> Tensor:
        """Relevance of every frame, (B, F) in float32: the mean over queries of phi_P(memory) . Q''.

        `ages_BF` counts shots back from 1, `times_BF` frames from 0; both are clamped to the size of their table.
        """
        memory_BFND = self._memory_tokens(memory_BFCHW, ages_BF, times_BF)
        queries_BMD = self._text_queries(text_BLE)
        tokens_BSD, normed_BMD = memory_BFND.flatten(1, 2), self.query_norm(queries_BMD)
        queries_BMD = queries_BMD + self.read_memory(normed_BMD, tokens_BSD, tokens_BSD, need_weights=False)[0]  # Q''
        return self._scores(queries_BMD, self.pool_projection(memory_BFND.mean(2)))

    @torch.inference_mode()
    def features(self, latents_FCHW: Tensor) -> Tensor:
        """Features (F, N, D) of latent frames, the expensive part of their tokens.

        They depend on the latents only, so they can be cached. They are computed a few frames at a time, because the
        first map has 2 D channels at full size.
        """
        frames = max(1, _MAP_VALUES // (latents_FCHW[0, 0].numel() * self.config.width))
        # copies, because kernels may round differently for the unaligned address of a memory map
        return torch.cat([self._features(part.clone()) for part in latents_FCHW.split(frames)])

    @torch.inference_mode()
    def score_sources(self, sources: Iterable[SourceFeatures], text_1LE: Tensor) -> Tensor:
        """Relevance (F,) in float32 of the frames of all sources in turn; equal to `forward` up to rounding.

        Small sources are scored in groups of up to `_GROUP_TOKENS` tokens, large ones one by one, so only a part of a
        long film is in memory.
        """
        queries_MD = self._text_queries(text_1LE)[0]
        attention = StreamingAttention(self.read_memory, self.query_norm(queries_MD))
        pooled = []
        for features_FND, ages_F, times_F in _groups(sources):
            tokens_FND = self._tokens(features_FND[None], ages_F[None], times_F[None])[0]
            attention.add(tokens_FND.flatten(0, 1))
            pooled.append(self.pool_projection(tokens_FND.mean(1)))
        queries_1MD = (queries_MD + attention.output())[None]  # Q''
        return self._scores(queries_1MD, torch.cat(pooled)[None])[0]

    def _text_queries(self, text_BLE: Tensor) -> Tensor:
        """The queries (B, M, D) after they have attended to the caption: Q'."""
        text_BLD = self.text_norm(self.text_projection(text_BLE))
        queries_BMD = self.queries.expand(len(text_BLE), -1, -1)
        padding_BL = padding_of(text_BLE) if self.config.mask_padding else None
        return queries_BMD + self.read_text(queries_BMD, text_BLD, text_BLD, padding_BL, need_weights=False)[0]

    def _scores(self, queries_BMD: Tensor, pooled_BFD: Tensor) -> Tensor:
        """(B, F) from the queries Q'' and the pooled tokens of each frame."""
        queries_BMD = self.out_norm(queries_BMD + self.mix(queries_BMD))
        # scores in fp32: in bf16, frames of long banks tie and their order becomes arbitrary
        scores_BFM = torch.einsum("bfd,bmd->bfm", pooled_BFD.float(), queries_BMD.float())
        return scores_BFM.mean(2) / self.config.width**0.5 + self.bias

    def _memory_tokens(self, memory_BFCHW: Tensor, ages_BF: Tensor, times_BF: Tensor) -> Tensor:
        features_BFND = self._features(memory_BFCHW.flatten(0, 1)).unflatten(0, memory_BFCHW.shape[:2])
        return self._tokens(features_BFND, ages_BF, times_BF)

    def _features(self, latents_FCHW: Tensor) -> Tensor:
        return self.memory_projection(latents_FCHW).flatten(2).transpose(1, 2)

    def _tokens(self, features_BFND: Tensor, ages_BF: Tensor, times_BF: Tensor) -> Tensor:
        """Memory tokens (B, F, N, D): features with the age and the time of their frame."""
        tokens_BFND = features_BFND
        if self.ages is not None:
            tokens_BFND = tokens_BFND + self.ages(ages_BF.clamp(max=self.config.ages - 1))[:, :, None]
        if self.times is not None:
            tokens_BFND = tokens_BFND + self.times(times_BF.clamp(max=self.config.times - 1))[:, :, None]
        return self.memory_norm(tokens_BFND)

    @property
    def settings(self) -> dict[str, Any]:
        """The config as JSON."""
        return asdict(self.config)


def _groups(sources: Iterable[SourceFeatures]) -> Iterator[SourceFeatures]:
    """Join consecutive sources while they have few tokens together: each call on a tensor costs more than a source."""
    group: list[SourceFeatures] = []
    tokens = 0
    for source in sources:
        count = source[0].shape[0] * source[0].shape[1]
        if group and tokens + count > _GROUP_TOKENS:
            yield _joined(group)
            group, tokens = [], 0
        group.append(source)
        tokens += count
    if group:
        yield _joined(group)


def _joined(group: list[SourceFeatures]) -> SourceFeatures:
    features_FND, ages_F, times_F = (torch.cat(parts) for parts in zip(*group, strict=True))
    return features_FND, ages_F, times_F


def padding_of(text_BLE: Tensor) -> Tensor:
    """True (B, L) at the zero rows after the end of a caption. The first token is never padding."""
    padding_BL = ~text_BLE.any(2)
    padding_BL[:, 0] = False  # attention over no keys at all is undefined
    return padding_BL


def _accept_scalar_bias(_module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Older adapters store the bias as a scalar."""
    if (name := f"{prefix}bias") in state:
        state[name] = state[name].reshape(-1)


class StreamingAttention:
    """The output of an `nn.MultiheadAttention` for few queries over very many keys, which are added in parts.

    Keys and values are not projected. Instead, the queries are projected to the space of the tokens, and the weighted
    sum of the tokens to the space of the values. The result is equal up to rounding and needs much less work.
    """

    def __init__(self, module: nn.MultiheadAttention, queries_MD: Tensor) -> None:
        query, key, value = (part.unflatten(0, (module.num_heads, -1)) for part in module.in_proj_weight.chunk(3))
        query_bias, _, value_bias = module.in_proj_bias.unflatten(0, (3, module.num_heads, -1))
        projected_MHR = torch.einsum("md,hrd->mhr", queries_MD, query) + query_bias
        # the bias of the keys adds the same to all logits of a query, which softmax ignores
        self._probe_MHD = torch.einsum("mhr,hrd->mhd", projected_MHR, key) / key.shape[1] ** 0.5
        self._value_HRD, self._value_bias_HR, self._out = value, value_bias, module.out_proj
        self._greatest_MH = self._probe_MHD.new_full(self._probe_MHD.shape[:2], -torch.inf)
        self._total_MH = torch.zeros_like(self._greatest_MH)
        self._sum_MHD = torch.zeros_like(self._probe_MHD)

    def add(self, tokens_SD: Tensor) -> None:
        """Attend to more tokens."""
        logits_MHS = torch.einsum("mhd,sd->mhs", self._probe_MHD, tokens_SD)
        greatest_MH = torch.maximum(self._greatest_MH, logits_MHS.amax(-1))
        kept_MH, weights_MHS = (self._greatest_MH - greatest_MH).exp(), (logits_MHS - greatest_MH[..., None]).exp()
        self._total_MH = self._total_MH * kept_MH + weights_MHS.sum(-1)
        self._sum_MHD = self._sum_MHD * kept_MH[..., None] + torch.einsum("mhs,sd->mhd", weights_MHS, tokens_SD)
        self._greatest_MH = greatest_MH

    def output(self) -> Tensor:
        """(M, D); at least one token must have been added."""
        mean_MHD = self._sum_MHD / self._total_MH[..., None]
        values_MHR = torch.einsum("mhd,hrd->mhr", mean_MHD, self._value_HRD) + self._value_bias_HR
        return self._out(values_MHR.flatten(1))


def recall_at(scores_BF: Tensor, labels_BF: Tensor, count: int) -> Tensor:
    """The share of the `count` highest scores that belong to the `count` most relevant frames, a scalar.

    Frames as relevant as the last of these count as well.
    """
    count = min(count, scores_BF.shape[1])
    least_B1 = labels_BF.topk(count, dim=1).values[:, -1:]
    best_BK = scores_BF.topk(count, dim=1).indices
    return (labels_BF.gather(1, best_BK) >= least_B1).float().mean()


def selection_loss(scores_BF: Tensor, labels_BF: Tensor) -> Tensor:
    """L_sel, the mean squared error to the relevance labels (OneStory Eq. 11)."""
    return functional.mse_loss(scores_BF.float(), labels_BF.float())
