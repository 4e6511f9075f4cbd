"""Linear probes on the transformer's hidden states that predict what each token shows.

The flow loss alone does not bind attributes: a model that knows the two colours of a caption may still assign them to
the two characters at random, and the loss of such a film is hardly higher. Therefore every token that shows a character
predicts that character's looks, through a linear layer on a middle block. The layer is dropped after training.

To copy from memory, tokens must also find the remembered tokens with the same content. Therefore one layer probes both
kinds of tokens for the species and role of a character, and for a setting with the details that captions omit. Sharing
the layer makes their states similar, and similar tokens attend to each other.

Shape letters: B batch, A actors of a shot (1 for settings), K labels of each, F remembered frames, D width,
M joined tokens, S context tokens, N noise tokens, V classes, T latent frames, H W latent cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from onestory_cli.memory.levels import Level

NO_LABEL = -100  # absent or unknown: adds no loss


@dataclass(frozen=True, kw_only=True)
class TokenContent:
    """How much of each token shows each actor or the setting, and the labels to predict there."""

    cover_BAM: Tensor
    labels_BAMK: Tensor

    @classmethod
    def in_context(cls, cover_BFAHW: Tensor, labels_BFAK: Tensor, levels: Sequence[Level]) -> TokenContent:
        """Content of context tokens: remembered frames at their levels, in the conditioner's order."""
        covers = [
            functional.avg_pool2d(cover_BFAHW[:, rank], level.patch, ceil_mode=True, count_include_pad=False).flatten(2)
            for rank, level in enumerate(levels)
        ]
        sizes = torch.tensor([cover_BAS.shape[2] for cover_BAS in covers], device=labels_BFAK.device)
        labels_BAFK = labels_BFAK[:, : len(levels)].transpose(1, 2)
        return cls(cover_BAM=torch.cat(covers, dim=2), labels_BAMK=labels_BAFK.repeat_interleave(sizes, dim=2))

    @classmethod
    def in_noise(cls, cover_BATHW: Tensor, labels_BAK: Tensor, *, patch: int) -> TokenContent:
        """Content of noise tokens."""
        cover_BAN = functional.avg_pool3d(cover_BATHW, (1, patch, patch)).flatten(2)
        return cls(cover_BAM=cover_BAN, labels_BAMK=labels_BAK[:, :, None].expand(-1, -1, cover_BAN.shape[2], -1))

    def to(self, device: torch.device) -> TokenContent:
        """A copy on `device`."""
        return TokenContent(cover_BAM=self.cover_BAM.to(device), labels_BAMK=self.labels_BAMK.to(device))


def background_cover(cast_BATHW: Tensor) -> Tensor:
    """(B, 1, T, H, W): the share of each cell that shows no actor."""
    return (1 - cast_BATHW.sum(1, keepdim=True)).clamp(min=0)


class TokenProbe(nn.Module):
    """A linear layer from hidden states to the logits of `classes`, initialised from `seed`."""

    def __init__(self, width: int, classes: Sequence[int], *, seed: int = 0) -> None:
        super().__init__()
        self.classes = list(classes)
        self.norm = nn.LayerNorm(width)
        self.read_embed = seeded_linear(width, sum(classes), seed=seed)

    def loss(self, hidden_BMD: Tensor, parts: Sequence[TokenContent]) -> Tensor:
        """Cross-entropy weighted by how much of each token shows the actor; the mean over labels and parts.

        The parts are consecutive, and the last one ends with the last token.
        """
        sizes = [part.cover_BAM.shape[2] for part in parts]
        losses = []
        for hidden_BSD, part in zip(hidden_BMD[:, -sum(sizes) :].split(sizes, dim=1), parts, strict=True):
            logits = self.read_embed(self.norm(hidden_BSD)).split(self.classes, dim=2)
            losses += [
                _own_loss(logits_BSV, part.cover_BAM, labels_BAS)
                for logits_BSV, labels_BAS in zip(logits, part.labels_BAMK.unbind(3), strict=True)
            ]
        return torch.stack(losses).mean()


def seeded_linear(width: int, classes: int, *, seed: int) -> nn.Linear:
    """A linear layer with weights that depend only on `seed`, so that a restarted stage gets the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Linear(width, classes)


def _own_loss(logits_BMV: Tensor, cover_BAM: Tensor, labels_BAM: Tensor) -> Tensor:
    """Cross-entropy of each actor's label at every token, weighted by how much of the token shows that actor."""
    likely_BVM = functional.log_softmax(logits_BMV.float(), 2).transpose(1, 2)
    own_BAM = likely_BVM.take_along_dim(labels_BAM.clamp(min=0), dim=1)
    weight_BAM = cover_BAM * (labels_BAM != NO_LABEL)
    return -(weight_BAM * own_BAM).sum() / weight_BAM.sum().clamp(min=1e-6)


@contextmanager
def capture_output(transformer: nn.Module, block: int) -> Iterator[list[Tensor]]:
    """Collect the output (B, M, D) of every call of block `block`, counted from 0."""
    kept: list[Tensor] = []
    hook = transformer.blocks[block].register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    try:
        yield kept
    finally:
        hook.remove()
