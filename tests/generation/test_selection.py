"""From bank frames to context tokens.

Shape letters: B batch, F bank frames, K selected frames, S context tokens, D width, H W latent cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from onestory_cli.generation.selection import MemoryLimits, Selection, condition, gather, select
from onestory_cli.memory.levels import COARSE, FINE, LEVELS, MEDIUM, Level
from onestory_cli.memory.policies import FrameRef, ShownSources
from onestory_cli.models.load import LoadedModel
from onestory_cli.models.model import frame_scores

REFS = [FrameRef("opening", 0), FrameRef("opening", 1), FrameRef("city", 0)]


def frames(count: int, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, count, 4, 8, 8, generator=torch.Generator().manual_seed(1))


def chosen(
    policy: str, scores: torch.Tensor, count: int, *, budget: float = 2.0, shown_B: Sequence[ShownSources] = ()
) -> Selection:
    limits = MemoryLimits(frames=count, budget=budget, levels=LEVELS, size=(8, 8))
    return select(policy, scores, REFS, limits, shown_B)


def test_selected_frames_are_gathered_in_order_of_relevance() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.5], [0.7, -1.0, 0.8]])
    choice = chosen("adaptive", scores, 2)
    assert choice.positions_BK.tolist() == [[1, 2], [2, 0]]
    memory = frames(3, batch=2)
    selected = gather(memory, choice.positions_BK)
    assert torch.equal(selected[0], memory[0, [1, 2]])
    assert torch.equal(selected[1], memory[1, [2, 0]])


def test_an_empty_bank_gives_an_empty_selection() -> None:
    limits = MemoryLimits(frames=3, budget=2.0, levels=LEVELS, size=(8, 8))
    empty = select("adaptive", torch.zeros(2, 0), [], limits)
    assert (empty.positions_BK.shape, empty.levels) == ((2, 0), ())
    none = chosen("none", torch.zeros(1, 3), 3)
    assert gather(frames(3), none.positions_BK).shape == (1, 0, 4, 8, 8)


def test_coverage_reads_the_names_of_each_row() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.5], [0.9, 0.8, 0.5]])
    choice = chosen("coverage", scores, 2, shown_B=[[("opening",)], [("opening",), ("city",)]])
    assert choice.positions_BK.tolist() == [[1, 2], [0, 2]]


@pytest.mark.parametrize(
    ("count", "budget", "levels"),
    [
        (3, 2.0, "fine medium medium"),
        (2, 2.0, "fine fine"),
        (2, 1.0, "medium medium"),
        (3, 0.13, "coarse coarse"),
        (3, 0.1, "coarse"),
        (0, 2.0, ""),
        (3, 0.0, ""),
    ],
)
def test_the_budget_limits_the_selection(count: int, budget: float, levels: str) -> None:
    choice = chosen("coverage", torch.tensor([[0.1, 0.9, 0.5]]), count, budget=budget, shown_B=[[("city",)]])
    assert [level.name for level in choice.levels] == levels.split()
    assert choice.positions_BK.shape[1] == len(choice.levels)
    assert not choice.levels or 2 in choice.positions_BK[0]  # coverage keeps its frame within the budget


@torch.inference_mode()
def test_scores_equal_the_selectors_and_are_empty_for_an_empty_bank(tiny_model: LoadedModel) -> None:
    text = tiny_model.text.encode(["A fox.", "A bear."])
    ages, times = torch.tensor([2, 2, 1]), torch.tensor([0, 1, 0])
    scores = frame_scores(tiny_model.selector, frames(3, batch=2), ages, times, text)
    rows = ages.expand(2, -1), times.expand(2, -1)
    assert torch.equal(scores, tiny_model.selector(frames(3, batch=2), *rows, text))
    assert frame_scores(tiny_model.selector, frames(0, batch=2), ages[:0], times[:0], text).shape == (2, 0)


@pytest.mark.parametrize("levels", [(), (FINE, MEDIUM, COARSE), (COARSE, COARSE)])
@torch.inference_mode()
def test_context_has_the_token_count_of_its_levels(tiny_model: LoadedModel, levels: tuple[Level, ...]) -> None:
    context = condition(tiny_model.denoiser, frames(len(levels)), levels)
    tokens = context.tokens_BSD.shape[1]
    assert tokens == sum(level.tokens(8, 8) for level in levels)
    assert context.tokens_BSD.shape[2] == 32
    assert [part.shape for part in context.rope] == [(1, tokens, 1, 16)] * 2
