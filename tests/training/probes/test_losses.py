"""Probe targets of a step: memory frames in their order of conditioning, and the target.

Shape letters: B batch, K remembered frames, F memory frames.
"""

from __future__ import annotations

import torch

from onestory_cli.memory.levels import LEVELS
from onestory_cli.training.data import LatentData, StoryBatch
from onestory_cli.training.objective import step_generators
from onestory_cli.training.probes.losses import ProbeTargets
from onestory_cli.training.probes.token_probe import background_cover


def drawn(latents: LatentData) -> StoryBatch:
    rng, _ = step_generators(3, 1, 0)
    return latents.batch(rng, size=4, earlier=2, inflation=0.0, full_caption=0.0)


def test_targets_of_memory_are_in_the_order_of_conditioning(latents: LatentData) -> None:
    batch = drawn(latents)
    chosen = torch.tensor([[3, 0], [1, 2], [0, 3], [2, 1]])
    asked = ProbeTargets.of_memory(batch, chosen, [LEVELS[0], LEVELS[0]])
    tokens = asked.setting.cover_BAM.shape[2] // 2  # of one frame
    for row, frames in enumerate(chosen.tolist()):
        for rank, frame in enumerate(frames):
            place = rank * tokens
            assert torch.equal(asked.setting.labels_BAMK[row, 0, place], batch.memory_settings_BFK[row, frame])
            assert torch.equal(asked.roles.labels_BAMK[row, :, place], batch.memory_actors_BFAK[row, frame])
            cast_AHW = batch.memory_cast_BFAHW[row, frame]
            shown_A = asked.roles.cover_BAM[row, :, place : place + tokens].mean(1)
            torch.testing.assert_close(shown_A, cast_AHW.flatten(1).mean(1))
    assert asked.looks is None


def test_actors_and_setting_cover_every_token(latents: LatentData) -> None:
    batch = drawn(latents)
    asked = ProbeTargets.of_noise(batch.looks_BAK, batch.setting_BK, batch.cast_BATHW, patch=2)
    everything = asked.roles.cover_BAM.sum(1) + asked.setting.cover_BAM[:, 0]
    assert everything.min() > 0.999
    assert 0 < asked.setting.cover_BAM.mean() < 1
    assert torch.equal(asked.looks.labels_BAMK[:, :, 0], batch.looks_BAK)
    assert torch.equal(asked.setting.labels_BAMK[:, 0, 0], batch.setting_BK)
    torch.testing.assert_close(
        background_cover(batch.cast_BATHW).mean((1, 2, 3, 4)), asked.setting.cover_BAM.mean((1, 2))
    )
