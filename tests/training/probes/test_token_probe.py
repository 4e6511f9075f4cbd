"""The token probe: which tokens it covers, with which labels, and that it can be trained.

Shape letters: B batch, A actors, K labels, D width, M joined tokens, T latent frames, H W latent cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from onestory_cli.memory.levels import LEVELS
from onestory_cli.training.probes.token_probe import (
    NO_LABEL,
    TokenContent,
    TokenProbe,
    background_cover,
    capture_output,
)

CLASSES = (3, 4)
FOX, BEAR = (0, 1), (2, 3)  # two labels each


def left_and_right() -> Tensor:
    """(B, A, T, H, W): the first actor covers the left half of 4 x 4 cells, the second the right half."""
    cast = torch.zeros(1, 2, 1, 4, 4)
    cast[:, 0, :, :, :2] = cast[:, 1, :, :, 2:] = 1
    return cast


@pytest.fixture
def reader() -> TokenProbe:
    """A probe that reads one-hot labels from hidden states with certainty."""
    made = TokenProbe(sum(CLASSES), CLASSES)
    with torch.no_grad():
        made.norm = nn.Identity()
        made.read_embed.weight.copy_(torch.eye(sum(CLASSES)) * 50)
        made.read_embed.bias.zero_()
    return made


def states_of(tokens: Sequence[tuple[int, int]]) -> Tensor:
    """Hidden states (1, M, D) that encode these labels, one pair per token."""
    first, second = torch.tensor(tokens).unbind(1)
    return torch.cat([one_hot(first, CLASSES[0]), one_hot(second, CLASSES[1])], dim=1).float()[None]


def noise(*labels: tuple[int, int], cast: Tensor | None = None) -> TokenContent:
    """The content of four tokens; the first actor covers the left two."""
    return TokenContent.in_noise(left_and_right() if cast is None else cast, torch.tensor([labels]), patch=2)


def test_tokens_are_labelled_with_the_actor_that_covers_them(reader: TokenProbe) -> None:
    shown = noise(FOX, BEAR)
    assert reader.loss(states_of([FOX, BEAR, FOX, BEAR]), [shown]) < 1e-6
    assert reader.loss(states_of([BEAR, FOX, BEAR, FOX]), [shown]) > 10


def test_uncovered_tokens_and_tokens_before_the_parts_are_ignored(reader: TokenProbe) -> None:
    hidden = states_of([BEAR, BEAR, FOX, BEAR, FOX, BEAR])  # two of context, and four of noise
    cast = left_and_right() * torch.tensor([1.0, 0.0])[:, None, None, None]
    assert reader.loss(hidden, [noise(FOX, (NO_LABEL, NO_LABEL), cast=cast)]) < 1e-6
    assert reader.loss(hidden, [noise(FOX, FOX, cast=cast)]) < 1e-6


def test_missing_labels_add_no_loss(reader: TokenProbe) -> None:
    unlabelled = (NO_LABEL, NO_LABEL)
    assert reader.loss(torch.randn(1, 4, sum(CLASSES)), [noise(unlabelled, unlabelled)]) == 0
    assert reader.loss(torch.randn(1, 4, sum(CLASSES)), [noise(FOX, BEAR, cast=left_and_right() * 0)]) == 0


def test_loss_of_guessing_is_mean_log_of_class_counts(reader: TokenProbe) -> None:
    loss = reader.loss(torch.zeros(1, 4, sum(CLASSES)), [noise(FOX, BEAR)]).detach()
    assert math.isclose(float(loss), (math.log(3) + math.log(4)) / 2, rel_tol=1e-5)


def test_memory_and_noise_tokens_have_their_own_labels(reader: TokenProbe) -> None:
    halves = left_and_right()
    remembered = TokenContent.in_context(
        halves.transpose(1, 2).expand(-1, 3, -1, -1, -1),
        torch.tensor([[[FOX, BEAR], [BEAR, (NO_LABEL, NO_LABEL)], [BEAR, BEAR]]]),
        [LEVELS[0], LEVELS[1]],  # 2 x 2 tokens of one frame, 1 of the next; the third does not fit
    )
    assert remembered.cover_BAM[0].tolist() == [[1, 0, 1, 0, 0.5], [0, 1, 0, 1, 0.5]]
    parts = [remembered, noise(BEAR, FOX)]
    right = [FOX, BEAR, FOX, BEAR, BEAR, BEAR, FOX, BEAR, FOX]
    assert reader.loss(states_of(right), parts) < 1e-6
    for place, (first, second) in enumerate(right):
        for wrong in (((first + 1) % 3, second), (first, (second + 1) % 4)):
            assert reader.loss(states_of([*right[:place], wrong, *right[place + 1 :]]), parts) > 1, (place, wrong)


def test_setting_covers_cells_without_actors() -> None:
    cast = left_and_right() * torch.tensor([1.0, 0.25])[:, None, None, None]
    assert background_cover(cast)[0, 0, 0, 0].tolist() == [0, 0, 0.75, 0.75]
    assert (background_cover(torch.ones(1, 2, 1, 4, 4)) == 0).all()


def test_block_outputs_are_captured_inside_the_context() -> None:
    blocks = nn.Module()
    blocks.blocks = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
    entry = torch.randn(1, 2, 3)
    with capture_output(blocks, 0) as kept:
        middle = blocks.blocks[0](entry)
        blocks.blocks[1](middle)
    blocks.blocks[0](entry)
    assert [item is middle for item in kept] == [True]
