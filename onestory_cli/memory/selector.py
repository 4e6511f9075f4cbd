"""Frame Selection: which remembered frames matter to this caption (OneStory Eq. 3-5).

Shape letters: B batch, F bank frames, N memory tokens per frame, M queries, L text tokens, E text width, D width,
C latent channels, H W latent cells.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class SelectorConfig:
    """Sizes of a FrameSelector.

    `ages` and `times` are sizes of two small embedding tables: the distance in shots, and the index within the shot.
    The paper does not mention them. Without them, "the same place" cannot refer to the previous shot, and near-equal
    frames of one shot cannot be distinguished. 0 omits a table.
    """

    latent_channels: int
    text_dim: int
    width: int = 128
    queries: int = 4
    heads: int = 4
    ages: int = 8
    times: int = 8


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
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, memory_BFCHW: Tensor, ages_BF: Tensor, times_BF: Tensor, text_BLE: Tensor) -> Tensor:
        """Relevance of every frame, (B, F) in float32: the mean over queries of phi_P(memory) . Q''.

        `ages_BF` counts shots back from 1, `times_BF` frames from 0; both are clamped to the size of their table.
        """
        memory_BFND = self._memory_tokens(memory_BFCHW, ages_BF, times_BF)
        text_BLD = self.text_norm(self.text_projection(text_BLE))
        queries_BMD = self.queries.expand(len(text_BLE), -1, -1)
        queries_BMD = queries_BMD + self.read_text(queries_BMD, text_BLD, text_BLD, need_weights=False)[0]  # Q'
        tokens_BSD = memory_BFND.flatten(1, 2)
        normed_BMD = self.query_norm(queries_BMD)
        queries_BMD = queries_BMD + self.read_memory(normed_BMD, tokens_BSD, tokens_BSD, need_weights=False)[0]  # Q''
        queries_BMD = self.out_norm(queries_BMD + self.mix(queries_BMD))
        pooled_BFD = self.pool_projection(memory_BFND.mean(2))
        # scores in fp32: in bf16, frames of long banks tie and their order becomes arbitrary
        scores_BFM = torch.einsum("bfd,bmd->bfm", pooled_BFD.float(), queries_BMD.float())
        return scores_BFM.mean(2) / self.config.width**0.5 + self.bias

    def _memory_tokens(self, memory_BFCHW: Tensor, ages_BF: Tensor, times_BF: Tensor) -> Tensor:
        batch, frames = memory_BFCHW.shape[:2]
        tokens_BFND = self.memory_projection(memory_BFCHW.flatten(0, 1)).flatten(2).transpose(1, 2)
        tokens_BFND = tokens_BFND.unflatten(0, (batch, frames))
        if self.ages is not None:
            tokens_BFND = tokens_BFND + self.ages(ages_BF.clamp(max=self.config.ages - 1))[:, :, None]
        if self.times is not None:
            tokens_BFND = tokens_BFND + self.times(times_BF.clamp(max=self.config.times - 1))[:, :, None]
        return self.memory_norm(tokens_BFND)

    @property
    def settings(self) -> dict[str, int]:
        """The config as JSON."""
        return asdict(self.config)


def selection_loss(scores_BF: Tensor, labels_BF: Tensor) -> Tensor:
    """L_sel, the mean squared error to the relevance labels (OneStory Eq. 11)."""
    return functional.mse_loss(scores_BF.float(), labels_BF.float())
