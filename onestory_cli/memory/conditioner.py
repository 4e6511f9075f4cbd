"""The Adaptive Conditioner: remembered frames -> context tokens, finer for more relevant frames (OneStory Eq. 7).

Shape letters: B batch, K selected frames in order of relevance, C latent channels, D width of the transformer,
S context tokens, H W latent cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from onestory_cli.memory.levels import FINE, LEVELS, Level


@dataclass(frozen=True, kw_only=True)
class ConditionerConfig:
    """Sizes of an AdaptiveConditioner.

    With `share_finest` the finest patchifier *is* the base's patch embedding. A model trained from scratch then learns
    easily to copy from memory. An adapter for a finished base keeps its own copy, warm-started from the base.
    """

    latent_channels: int
    width: int
    levels: tuple[Level, ...] = LEVELS
    share_finest: bool = True


class AdaptiveConditioner(nn.Module):
    """One Conv3d patchifier per level, kernel = stride = (1, p, p)."""

    def __init__(self, config: ConditionerConfig) -> None:
        super().__init__()
        self.config = config
        self.patchifiers = nn.ModuleDict()
        for level in config.levels[1 if config.share_finest else 0 :]:
            kernel = (1, level.patch, level.patch)
            self.patchifiers[level.name] = nn.Conv3d(config.latent_channels, config.width, kernel, stride=kernel)

    @torch.no_grad()
    def warm_start(self, patch_embedding: nn.Conv3d) -> None:
        """Initialize every patchifier from the base's patch embedding.

        A token is the mean of the base's tokens within its patch, so a constant region gives the same token as in the
        base. Extra input channels of the base (image conditions) are cut.
        """
        kernel = patch_embedding.weight[:, : self.config.latent_channels]
        for conv in self.patchifiers.values():
            conv.weight.copy_(_enlarged(kernel, conv.kernel_size[-1]))
            conv.bias.copy_(patch_embedding.bias)

    def forward(self, frames_BKCHW: Tensor, levels: Sequence[Level], patch_embedding: nn.Conv3d) -> Tensor:
        """Context tokens (B, S, D) of frames 1..K at their levels, concatenated in that order.

        `patch_embedding` is the base's.
        """
        tokens = [self._patchify(frames_BKCHW[:, rank], level, patch_embedding) for rank, level in enumerate(levels)]
        empty_BSD = frames_BKCHW.new_zeros(len(frames_BKCHW), 0, self.config.width)
        return torch.cat([empty_BSD, *tokens], dim=1)

    def _patchify(self, frame_BCHW: Tensor, level: Level, patch_embedding: nn.Conv3d) -> Tensor:
        height, width = frame_BCHW.shape[-2:]
        bottom, right = -height % level.patch, -width % level.patch
        frame_BCHW = functional.pad(frame_BCHW, (0, right, 0, bottom), mode="replicate")
        shared = self.config.share_finest and level == self.config.levels[0]
        conv = patch_embedding if shared else self.patchifiers[level.name]
        return conv(frame_BCHW[:, :, None]).flatten(2).transpose(1, 2)

    @property
    def settings(self) -> dict[str, object]:
        """The config as JSON."""
        return asdict(self.config)


def _enlarged(kernel_DC1HW: Tensor, patch: int) -> Tensor:
    """The kernel (D, C, 1, patch, patch) of the mean over all places of a smaller kernel.

    The places are next to each other if the sizes allow it; otherwise they overlap.
    """
    size = kernel_DC1HW.shape[-1]
    offsets = range(0, patch - size + 1, size if patch % size == 0 else 1)
    sum_DC1PP = kernel_DC1HW.new_zeros(*kernel_DC1HW.shape[:3], patch, patch)
    for row in offsets:
        for column in offsets:
            sum_DC1PP[..., row : row + size, column : column + size] += kernel_DC1HW
    return sum_DC1PP / len(offsets) ** 2


def context_positions(levels: Sequence[Level], *, height: int, width: int, finest: Level = FINE) -> Tensor:
    """Positions (S, 3) of the context tokens: (time, row, column) in units of noise tokens.

    The k-th most relevant frame is at time -k, before the shot. In space, a token is at the average position of the
    patches that it covers. Averaging positions rather than rotations keeps the rotation at unit norm.
    """
    parts = [torch.zeros(0, 3, dtype=torch.float64)]
    for rank, level in enumerate(levels, start=1):
        ratio = level.patch / finest.patch
        rows, columns = -(-height // level.patch), -(-width // level.patch)
        row, column = torch.meshgrid(
            torch.arange(rows, dtype=torch.float64) * ratio + (ratio - 1) / 2,
            torch.arange(columns, dtype=torch.float64) * ratio + (ratio - 1) / 2,
            indexing="ij",
        )
        time = torch.full_like(row, -float(rank))
        parts.append(torch.stack([time, row, column], dim=-1).reshape(-1, 3))
    return torch.cat(parts)
