"""From bank frames to context tokens.

Shape letters: B batch, F bank frames, K selected frames, S context tokens, D width, H W latent cells.
"""

from __future__ import annotations

import pytest
import torch

from onestory_cli.generate.remember import choose, condition, gather, score
from onestory_cli.memory.policies import FrameRef
from onestory_cli.models.load import LoadedModel

REFS = [FrameRef("opening", 0), FrameRef("opening", 1), FrameRef("city", 0)]


def frames(count: int, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, count, 4, 8, 8, generator=torch.Generator().manual_seed(1))


def test_chosen_frames_are_gathered_in_the_order_of_relevance() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.5], [0.7, -1.0, 0.8]])
    chosen = choose("adaptive", scores, REFS, 2)
    assert chosen.tolist() == [[1, 2], [2, 0]]
    memory = frames(3, batch=2)
    selected = gather(memory, chosen)
    assert torch.equal(selected[0], memory[0, [1, 2]])
    assert torch.equal(selected[1], memory[1, [2, 0]])


def test_nothing_to_choose_is_nothing_chosen() -> None:
    assert choose("adaptive", torch.zeros(2, 0), [], 3).shape == (2, 0)
    assert gather(frames(3), choose("none", torch.zeros(1, 3), REFS, 3)).shape == (1, 0, 4, 8, 8)


@torch.inference_mode()
def test_scores_are_those_of_the_selector_and_an_empty_bank_has_none(tiny_model: LoadedModel) -> None:
    text = tiny_model.encode_text(["A fox.", "A bear."])
    ages, times = torch.tensor([2, 2, 1]), torch.tensor([0, 1, 0])
    scores = score(tiny_model, frames(3, batch=2), ages, times, text)
    rows = ages.expand(2, -1), times.expand(2, -1)
    assert torch.equal(scores, tiny_model.selector(frames(3, batch=2), *rows, text))
    assert score(tiny_model, frames(0, batch=2), ages[:0], times[:0], text).shape == (2, 0)


@pytest.mark.parametrize(
    ("count", "budget", "levels"),
    [
        (3, 2.0, "fine medium medium"),
        (2, 2.0, "fine fine"),
        (2, 1.0, "medium medium"),
        (3, 0.1, "coarse"),
        (0, 2.0, ""),
    ],
)
@torch.inference_mode()
def test_context_keeps_to_the_budget(tiny_model: LoadedModel, count: int, budget: float, levels: str) -> None:
    context = condition(tiny_model, frames(count), budget=budget)
    assert " ".join(level.name for level in context.levels) == levels
    tokens = context.tokens_BSD.shape[1]
    assert tokens == sum(level.tokens(8, 8) for level in context.levels) <= budget * 16
    assert context.tokens_BSD.shape[2] == 32
    assert [part.shape for part in context.rotary] == [(1, tokens, 1, 16)] * 2
