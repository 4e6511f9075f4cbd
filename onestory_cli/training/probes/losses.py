"""Targets and losses of the probes in one step: token content (`token_probe.py`) and attention (`attention.py`).

Shape letters: B batch, A actors of a shot, K labels of each or remembered frames, F memory frames, T latent frames,
H W latent cells, G heads, N noise tokens, S context tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from onestory_cli.generation.selection import gather
from onestory_cli.memory.levels import Level
from onestory_cli.training.data import StoryBatch
from onestory_cli.training.probes.attention import capture_block_inputs, context_attention_logits, match_loss
from onestory_cli.training.probes.labels import ROLE_LABEL, with_roles
from onestory_cli.training.probes.token_probe import TokenContent, TokenProbe, background_cover, capture_output
from onestory_cli.training.recipe import Stage


@dataclass(frozen=True, kw_only=True)
class ProbeTargets:
    """The content of the context or noise tokens of a step: actors with species and role, the setting, and looks."""

    roles: TokenContent
    setting: TokenContent
    looks: TokenContent | None = None  # None for context tokens: looks are predicted from noise tokens only

    @classmethod
    def of_memory(cls, batch: StoryBatch, chosen_BK: Tensor, levels: Sequence[Level]) -> ProbeTargets:
        """Targets of the context tokens of these memory frames, at their levels."""
        cast_BKAHW = gather(batch.memory_cast_BFAHW, chosen_BK)
        around_BKAHW = background_cover(cast_BKAHW.transpose(1, 2)).transpose(1, 2)
        settings_BKAK = gather(batch.memory_settings_BFK, chosen_BK)[:, :, None]
        return cls(
            roles=TokenContent.in_context(cast_BKAHW, gather(batch.memory_actors_BFAK, chosen_BK), levels),
            setting=TokenContent.in_context(around_BKAHW, settings_BKAK, levels),
        )

    @classmethod
    def of_noise(cls, looks_BAK: Tensor, setting_BK: Tensor, cast_BATHW: Tensor, *, patch: int) -> ProbeTargets:
        """Targets of the noise tokens of some latent frames; actors are in the order of the caption."""
        return cls(
            roles=TokenContent.in_noise(cast_BATHW, with_roles(looks_BAK[:, :, 0]), patch=patch),
            setting=TokenContent.in_noise(background_cover(cast_BATHW), setting_BK[:, None], patch=patch),
            looks=TokenContent.in_noise(cast_BATHW, looks_BAK, patch=patch),
        )

    def to(self, device: torch.device) -> ProbeTargets:
        """A copy on `device`."""
        return ProbeTargets(**{name: shown and shown.to(device) for name, shown in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class ProbeInputs:
    """Outputs of the probed blocks by probe name, and the arguments of the block whose attention is supervised."""

    left: Mapping[str, list[Tensor]]
    entered: list[tuple[Any, ...]]


@contextmanager
def capture_inputs(transformer: nn.Module, stage: Stage) -> Iterator[ProbeInputs]:
    """Record the inputs of a stage's probes during the calls inside."""
    with (
        capture_output(transformer, stage.looks_block) as looks,
        capture_output(transformer, stage.roles_block) as roles,
        capture_output(transformer, stage.setting_block) as setting,
        capture_block_inputs(transformer, stage.match_block) as entered,
    ):
        yield ProbeInputs(left={"looks": looks, "roles": roles, "setting": setting}, entered=entered)


def probe_losses(
    transformer: nn.Module,
    stage: Stage,
    readers: Mapping[str, TokenProbe],
    watched: ProbeInputs,
    targets: Sequence[ProbeTargets],
) -> dict[str, Tensor]:
    """Losses of the probes by name, and of attention if there is memory; `targets` is [memory, noise] or [noise]."""
    losses = {
        name: reader.loss(watched.left[name][0], [shown for part in targets if (shown := getattr(part, name))])
        for name, reader in readers.items()
    }
    if len(targets) == 2 and (stage.match_weight or stage.match_setting_weight):
        context, noise = targets
        block, tokens = transformer.blocks[stage.match_block], context.roles.cover_BAM.shape[2]
        actors_BGNS, settings_BGNS = context_attention_logits(block, watched.entered[0], tokens).chunk(2, dim=1)
        if stage.match_weight:
            losses["match"] = match_loss(actors_BGNS, context.roles, noise.roles, label=ROLE_LABEL)
        if stage.match_setting_weight:
            losses["match_setting"] = match_loss(settings_BGNS, context.setting, noise.setting)
    return losses
