"""Patchifiers and the positions of their tokens.

Shape letters: B batch, K frames, C latent channels, D width, S context tokens, H W latent cells.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from onestory_cli.memory.conditioner import AdaptiveConditioner, ConditionerConfig, context_positions
from onestory_cli.memory.levels import COARSE, DETAIL, FINE, LEVELS, MEDIUM, PATCHES, Level

Parts = tuple[AdaptiveConditioner, nn.Conv3d]


def parts(*, share_finest: bool = True, channels: int = 4, levels: tuple[Level, ...] = LEVELS) -> Parts:
    """A warm-started conditioner for latents of four channels, and the patch embedding of its base."""
    torch.manual_seed(0)
    patch_embedding = nn.Conv3d(channels, 32, (1, 2, 2), stride=(1, 2, 2))
    config = ConditionerConfig(latent_channels=4, width=32, share_finest=share_finest, levels=levels)
    conditioner = AdaptiveConditioner(config)
    conditioner.warm_start(patch_embedding)
    return conditioner, patch_embedding


def frames(count: int, height: int = 8, width: int = 8) -> Tensor:
    return torch.randn(2, count, 4, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [(8, 8), (16, 8), (10, 6), (7, 13)])
def test_a_frame_has_the_token_count_of_its_level(size: tuple[int, int]) -> None:
    height, width = size
    conditioner, patch_embedding = parts()
    for table in [[level] for level in LEVELS] + [[FINE, MEDIUM, COARSE], [COARSE, COARSE, FINE]]:
        tokens_BSD = conditioner(frames(3, height, width), table, patch_embedding)
        assert tokens_BSD.shape == (2, sum(level.tokens(height, width) for level in table), 32)
        assert len(context_positions(table, height=height, width=width)) == tokens_BSD.shape[1]


def test_tokens_are_concatenated_in_order_of_relevance() -> None:
    conditioner, patch_embedding = parts()
    memory = frames(3)
    both = conditioner(memory, [MEDIUM, COARSE], patch_embedding)
    torch.testing.assert_close(both[:, :4], conditioner(memory[:, :1], [MEDIUM], patch_embedding))
    torch.testing.assert_close(both[:, 4:], conditioner(memory[:, 1:], [COARSE], patch_embedding))


@pytest.mark.parametrize("share_finest", [True, False])
def test_warm_start_equals_the_base_in_constant_regions(share_finest: bool) -> None:
    levels = tuple(PATCHES.values())
    conditioner, patch_embedding = parts(share_finest=share_finest, levels=levels)
    colours = torch.randn(2, 1, 4, 1, 1)
    expected = patch_embedding(colours[:, 0, :, None].expand(-1, -1, -1, 2, 2)).flatten(2).transpose(1, 2)
    for level in levels:
        made = conditioner(colours.expand(-1, -1, -1, 8, 8), [level], patch_embedding)
        torch.testing.assert_close(made, expected.expand_as(made))


def test_warm_start_is_the_mean_of_the_tokens_within_a_patch() -> None:
    conditioner, patch_embedding = parts(levels=(FINE, DETAIL, MEDIUM))
    memory = frames(1, 12, 12)
    fine = patch_embedding(memory[:, 0, :, None])[:, :, 0]  # at even cells
    made = conditioner(memory, [MEDIUM], patch_embedding).transpose(1, 2).unflatten(2, (3, 3))
    torch.testing.assert_close(made, nn.functional.avg_pool2d(fine, 2))
    shifted = [
        patch_embedding(memory[:, 0, :, None, row:, column:])[:, :, 0, 0, 0] for row in (0, 1) for column in (0, 1)
    ]
    first = conditioner(memory, [DETAIL], patch_embedding)[:, 0]
    torch.testing.assert_close(first, torch.stack(shifted).mean(0))


def test_warm_start_cuts_image_channels_of_the_base() -> None:
    conditioner, patch_embedding = parts(share_finest=False, channels=9)
    torch.testing.assert_close(conditioner.patchifiers["fine"].weight, patch_embedding.weight[:, :4])


def test_zero_frames_give_zero_tokens() -> None:
    conditioner, patch_embedding = parts()
    assert conditioner(frames(0), [], patch_embedding).shape == (2, 0, 32)
    assert context_positions([], height=8, width=8).shape == (0, 3)


def test_edge_patches_are_padded_by_replication() -> None:
    conditioner, patch_embedding = parts()
    memory = frames(1, 6, 5)
    padded = torch.cat([memory, memory[..., -1:].expand(-1, -1, -1, -1, 3)], dim=-1)
    padded = torch.cat([padded, padded[..., -1:, :].expand(-1, -1, -1, 2, -1)], dim=-2)
    for level in (MEDIUM, COARSE):
        made = conditioner(memory, [level], patch_embedding)
        torch.testing.assert_close(made, conditioner(padded, [level], patch_embedding))


def test_the_finest_level_can_be_the_patch_embedding_itself() -> None:
    shared, patch_embedding = parts()
    assert list(shared.patchifiers) == ["medium", "coarse"]
    shared(frames(1), [FINE], patch_embedding).sum().backward()
    assert patch_embedding.weight.grad is not None
    apart, patch_embedding = parts(share_finest=False)
    assert list(apart.patchifiers) == ["fine", "medium", "coarse"]
    apart(frames(1), [FINE], patch_embedding).sum().backward()
    assert patch_embedding.weight.grad is None


def test_positions_are_averages_of_the_covered_patches() -> None:
    fine = context_positions([FINE], height=8, width=8)
    for level in (MEDIUM, COARSE):
        patches = level.patch // 2
        grid = fine.reshape(4, 4, 3).unfold(0, patches, patches).unfold(1, patches, patches)
        expected = grid.mean(dim=(-2, -1)).reshape(-1, 3)
        torch.testing.assert_close(context_positions([level], height=8, width=8), expected)


def test_each_frame_has_its_own_negative_time() -> None:
    positions = context_positions([MEDIUM, MEDIUM, COARSE], height=8, width=8)
    assert positions[:, 0].tolist() == [-1] * 4 + [-2] * 4 + [-3]
    assert positions[:4, 1:].tolist() == [[0.5, 0.5], [0.5, 2.5], [2.5, 0.5], [2.5, 2.5]]
    assert positions[8].tolist() == [-3, 1.5, 1.5]


def test_positions_are_in_units_of_the_finest_level() -> None:
    whole = Level(name="whole", patch=1)
    assert context_positions([FINE], height=4, width=4, finest=whole)[:, 2].tolist() == [0.5, 2.5] * 2


def test_settings_round_trip() -> None:
    conditioner, _ = parts()
    settings: dict[str, Any] = dict(conditioner.settings)
    settings["levels"] = tuple(Level(**row) for row in settings["levels"])
    assert ConditionerConfig(**settings) == conditioner.config
