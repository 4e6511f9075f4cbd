"""Reading off the transformer's own hidden states, while it is trained, what each token shows.

The flow loss alone does not bind: a model that knows which two colours a caption names may still give them to its two
characters by chance, and such films cost little more than right ones. Here every token that shows a character is asked,
part of the way through the blocks, for that character's looks. The answers come from a linear layer, which is dropped
after training.

What has to come out of memory needs one thing more: the tokens that show something must find the remembered ones that
show the same. So both are asked by one layer: for the species of a character and the role that the caption gives it,
and for a setting with the details that captions leave out. That it is one layer makes their answers alike, and what is
alike attends to each other.

Shape letters: B batch, A actors of a shot (of settings there is one), K labels of each, F remembered frames, D width,
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

NO_LABEL = -100  # of what is not there or cannot be told; no loss is taken there


@dataclass(frozen=True, kw_only=True)
class TokenContent:
    """How much of each token shows each actor, or the setting, and what is to be read of that one there."""

    cover_BAM: Tensor
    labels_BAMK: Tensor

    @classmethod
    def in_context(cls, cover_BFAHW: Tensor, labels_BFAK: Tensor, levels: Sequence[Level]) -> TokenContent:
        """Of context tokens: remembered frames at their levels, in the conditioner's order."""
        covers = [
            functional.avg_pool2d(cover_BFAHW[:, rank], level.patch, ceil_mode=True, count_include_pad=False).flatten(2)
            for rank, level in enumerate(levels)
        ]
        sizes = torch.tensor([cover_BAS.shape[2] for cover_BAS in covers], device=labels_BFAK.device)
        labels_BAFK = labels_BFAK[:, : len(levels)].transpose(1, 2)
        return cls(cover_BAM=torch.cat(covers, dim=2), labels_BAMK=labels_BAFK.repeat_interleave(sizes, dim=2))

    @classmethod
    def in_noise(cls, cover_BATHW: Tensor, labels_BAK: Tensor, *, patch: int) -> TokenContent:
        """Of noise tokens."""
        cover_BAN = functional.avg_pool3d(cover_BATHW, (1, patch, patch)).flatten(2)
        return cls(cover_BAM=cover_BAN, labels_BAMK=labels_BAK[:, :, None].expand(-1, -1, cover_BAN.shape[2], -1))

    def to(self, device: torch.device) -> TokenContent:
        """The same on that device."""
        return TokenContent(cover_BAM=self.cover_BAM.to(device), labels_BAMK=self.labels_BAMK.to(device))


def dilate_cast(cast_BATHW: Tensor) -> Tensor:
    """(B, 1, T, H, W): how much of each cell shows no actor, but the setting."""
    return (1 - cast_BATHW.sum(1, keepdim=True)).clamp(min=0)


class TokenProbe(nn.Module):
    """A linear layer from hidden states to the logits of `classes`, its first weights drawn from `seed`."""

    def __init__(self, width: int, classes: Sequence[int], *, seed: int = 0) -> None:
        super().__init__()
        self.classes = list(classes)
        self.norm = nn.LayerNorm(width)
        self.read_embed = seeded_linear(width, sum(classes), seed=seed)

    def loss(self, hidden_BMD: Tensor, parts: Sequence[TokenContent]) -> Tensor:
        """Cross-entropy of what the tokens show, by how much of them shows it, mean over the labels and the parts.

        The parts follow each other, and end with the last of the tokens.
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
    """A linear layer drawn from the seed: a stage that begins again begins alike, whatever was drawn before it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Linear(width, classes)


def _own_loss(logits_BMV: Tensor, cover_BAM: Tensor, labels_BAM: Tensor) -> Tensor:
    """Cross-entropy at every token of each actor's own value, by how much of the token shows that actor."""
    likely_BVM = functional.log_softmax(logits_BMV.float(), 2).transpose(1, 2)
    own_BAM = likely_BVM.take_along_dim(labels_BAM.clamp(min=0), dim=1)
    weight_BAM = cover_BAM * (labels_BAM != NO_LABEL)
    return -(weight_BAM * own_BAM).sum() / weight_BAM.sum().clamp(min=1e-6)


@contextmanager
def capture_output(transformer: nn.Module, block: int) -> Iterator[list[Tensor]]:
    """What leaves this block (from 0) in the calls inside, one (B, M, D) a call."""
    kept: list[Tensor] = []
    hook = transformer.blocks[block].register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    try:
        yield kept
    finally:
        hook.remove()
