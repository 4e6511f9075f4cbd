"""Attention supervision: logits equal the block's, and the loss rewards attention to the own character.

Shape letters: B batch, A actors, G heads, M joined tokens, N noise tokens, S context tokens, R width of a head.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers.models.transformers import transformer_wan
from torch import Tensor

from onestory_cli.models.load import LoadedModel
from onestory_cli.training.data import LatentData
from onestory_cli.training.objective import ShotObjective, step_generators
from onestory_cli.training.probes.attention import capture_block_inputs, context_attention_logits, match_loss
from onestory_cli.training.probes.token_probe import NO_LABEL, TokenContent
from tests.tiny import tiny_built
from tests.training.test_objective import STAGE

FOX, BEAR, FROG = 0, 1, 2


def content(species_A: list[int], cover_AM: list[list[float]]) -> TokenContent:
    """The content of one picture."""
    cover_BAM = torch.tensor([cover_AM])
    labels_BAMK = torch.tensor(species_A)[None, :, None, None].expand(*cover_BAM.shape, 1)
    return TokenContent(cover_BAM=cover_BAM, labels_BAMK=labels_BAMK)


def loss(logits_NS: list[list[float]], context: TokenContent, noise: TokenContent) -> float:
    """The loss for the logits of one head."""
    return float(match_loss(torch.tensor(logits_NS)[None, None], context, noise))


# tokens of memory: the fox, the bear, half of each, no character
MEMORY = content([FOX, BEAR], [[1, 0, 0.5, 0], [0, 1, 0.5, 0]])
MADE = content([BEAR, FOX], [[1, 0], [0, 1]])


def test_attention_to_own_character_costs_nothing_and_to_another_does() -> None:
    assert loss([[0, 30, 0, 0], [30, 0, 0, 0]], MEMORY, MADE) < 1e-4
    assert loss([[30, 0, 0, 0], [0, 30, 0, 0]], MEMORY, MADE) > 10
    assert loss([[0, 30, 0, 0], [0, 30, 0, 0]], MEMORY, MADE) > 5  # one of the two


def test_attention_to_tokens_without_character_is_free() -> None:
    assert loss([[0, 30, 0, 90], [30, 0, 0, 90]], MEMORY, MADE) < 1e-4


def test_token_of_two_characters_counts_for_each_by_its_share() -> None:
    assert loss([[0, 0, 30, 0], [0, 0, 30, 0]], MEMORY, MADE) == pytest.approx(0.6931, abs=1e-3)


@pytest.mark.parametrize(
    ("context", "noise"),
    [
        (content([FOX, FROG], [[1, 0, 0, 0], [0, 1, 0, 0]]), content([BEAR, NO_LABEL], [[1, 0], [0, 1]])),
        (content([BEAR, NO_LABEL], [[1, 0, 0, 0], [0, 0, 0, 0]]), MADE),
    ],
    ids=["never seen", "alone in memory"],
)
def test_actors_without_alternative_in_memory_add_no_loss(context: TokenContent, noise: TokenContent) -> None:
    assert loss([[30, 0, 0, 0], [0, 30, 0, 0]], context, noise) == 0


def test_logits_equal_those_of_the_block(latents: LatentData, monkeypatch: pytest.MonkeyPatch) -> None:
    model: LoadedModel = tiny_built()
    attended: list[tuple[Tensor, Tensor]] = []
    stock = transformer_wan.dispatch_attention_fn

    def spy(query: Tensor, key: Tensor, *rest: Any, **named: Any) -> Tensor:
        attended.append((query, key))
        return stock(query, key, *rest, **named)

    monkeypatch.setattr(transformer_wan, "dispatch_attention_fn", spy)
    with capture_block_inputs(model.transformer, 1) as entered:
        ShotObjective(model=model, data=latents, stage=replace(STAGE, first_frame=0.0))(*step_generators(3, 1, 0))
    query_BMGR, key_BMGR = attended[2]  # after the self-attention and text attention of the first block
    block = model.transformer.blocks[1]
    context = query_BMGR.shape[1] - 2 * 16  # two latent frames of noise
    expected = torch.einsum("bngr,bsgr->bgns", query_BMGR[:, context:], key_BMGR[:, :context])
    made = context_attention_logits(block, entered[0], context)
    torch.testing.assert_close(made, expected * query_BMGR.shape[-1] ** -0.5)


@pytest.mark.parametrize(("name", "own", "others"), [("match", 0, 1), ("match_setting", 1, 0)])
def test_loss_is_added_in_steps_with_memory_and_trains_half_of_the_heads(
    latents: LatentData, name: str, own: int, others: int
) -> None:
    model = tiny_built()
    stage = replace(STAGE, batch=16, match_block=1, selection_weight=0.0)
    asking = replace(stage, **{f"{name}_weight": 0.5})
    made = ShotObjective(model=model, data=latents, stage=asking)(*step_generators(3, 1, 0))
    torch.testing.assert_close(made["loss"].detach(), made["flow_memory"] + 0.5 * made[f"{name}_memory"])
    assert made[f"{name}_memory"] > 0.1
    without = ShotObjective(model=model, data=latents, stage=stage)(*step_generators(3, 1, 0))
    (made["loss"] - without["loss"]).backward()
    attention = model.transformer.blocks[1].attn1
    halves = attention.to_q.weight.grad.chunk(2)
    assert halves[own].abs().max() > 1e-6
    assert halves[own].abs().max() > 10 * halves[others].abs().max()  # they share a norm
    assert attention.to_v.weight.grad.abs().max() < 1e-6  # the loss does not train the values
    alone = ShotObjective(model=model, data=latents, stage=replace(asking, kind="base"))(*step_generators(3, 1, 0))
    assert f"{name}_memory" not in alone
