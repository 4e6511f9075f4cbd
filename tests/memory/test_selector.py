"""The frame selector: invariances, and that it can learn relevance.

Shape letters: B batch, F bank frames, C latent channels, L text tokens, E text width.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from onestory_cli.memory.selector import (
    FrameSelector,
    SelectorConfig,
    StreamingAttention,
    recall_at,
    selection_loss,
)

CONFIG = SelectorConfig(latent_channels=4, text_dim=12, width=32, queries=2, heads=2, ages=4, times=3)


@pytest.fixture
def selector() -> FrameSelector:
    torch.manual_seed(0)
    return FrameSelector(CONFIG).eval()


def memory(frames: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, frames, 4, 8, 8, generator=torch.Generator().manual_seed(1))


def text(batch: int = 2) -> Tensor:
    return torch.randn(batch, 5, 12, generator=torch.Generator().manual_seed(2))


def ones(frames: int, batch: int = 2) -> Tensor:
    return torch.ones(batch, frames, dtype=torch.long)


@torch.no_grad()
def test_scores_follow_a_permutation_of_the_frames(selector: FrameSelector) -> None:
    order = torch.tensor([3, 0, 4, 1, 2])
    scores = selector(memory(5), ones(5), ones(5), text())
    assert (scores.shape, scores.dtype) == ((2, 5), torch.float32)
    torch.testing.assert_close(selector(memory(5)[:, order], ones(5), ones(5), text()), scores[:, order])


@torch.no_grad()
def test_rows_of_a_batch_are_independent(selector: FrameSelector) -> None:
    scores = selector(memory(5), ones(5), ones(5), text())
    alone = selector(memory(5)[1:], ones(5, 1), ones(5, 1), text()[1:])
    torch.testing.assert_close(scores[1:], alone)


@pytest.mark.parametrize("table", ["ages", "times"])
@torch.no_grad()
def test_ages_and_times_are_clamped_to_their_tables(selector: FrameSelector, table: str) -> None:
    def scores(value: int) -> Tensor:
        given = {"ages": ones(5), "times": ones(5), table: ones(5) * value}
        return selector(memory(5), given["ages"], given["times"], text())

    assert not torch.allclose(scores(1), scores(2))
    assert torch.equal(scores(getattr(CONFIG, table) - 1), scores(1000))


@torch.no_grad()
def test_tables_are_optional() -> None:
    torch.manual_seed(0)
    selector = FrameSelector(replace(CONFIG, ages=0, times=0))
    assert torch.equal(
        selector(memory(5), ones(5), ones(5), text()), selector(memory(5), ones(5) * 3, ones(5) * 2, text())
    )


@torch.no_grad()
def test_long_banks_and_other_sizes_of_latents(selector: FrameSelector) -> None:
    assert selector(memory(200, 1), ones(200, 1), ones(200, 1), text(1)).isfinite().all()
    wide = torch.randn(1, 3, 4, 9, 15)
    assert selector(wide, ones(3, 1), ones(3, 1), text(1)).shape == (1, 3)


def task(draw: torch.Generator, kinds_KE: Tensor, looks_KC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sixteen captions and four frames each, all of random kinds; a frame of the caption's kind is relevant."""
    asked_B = torch.randint(4, (16,), generator=draw)
    shown_BF = torch.randint(4, (16, 4), generator=draw)
    text_BLE = kinds_KE[asked_B][:, None].expand(-1, 2, -1)
    memory_BFCHW = looks_KC[shown_BF][..., None, None].expand(-1, -1, -1, 4, 4)
    noise = 0.1 * torch.randn(memory_BFCHW.shape, generator=draw)
    return memory_BFCHW + noise, text_BLE, 2.0 * (shown_BF == asked_B[:, None]) - 1


def test_it_learns_relevance(selector: FrameSelector) -> None:
    draw = torch.Generator().manual_seed(3)
    kinds_KE, looks_KC = torch.randn(4, 12, generator=draw), torch.randn(4, 4, generator=draw)
    optimiser = torch.optim.AdamW(selector.parameters(), lr=3e-3)
    losses = []
    for _ in range(80):
        memory_BFCHW, text_BLE, labels_BF = task(draw, kinds_KE, looks_KC)
        loss = selection_loss(selector(memory_BFCHW, ones(4, 16), ones(4, 16), text_BLE), labels_BF)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) / 5 < losses[0] / 5
    frames = looks_KC[:, :, None, None].expand(1, -1, -1, 4, 4)
    with torch.no_grad():
        for kind in range(4):
            asked = kinds_KE[kind].expand(1, 5, -1)
            assert int(selector(frames, ones(4, 1), ones(4, 1), asked).argmax()) == kind


def test_the_loss_is_the_mean_squared_error() -> None:
    scores, labels = torch.tensor([[1.0, 0.0]], requires_grad=True), torch.tensor([[0.0, 0.5]])
    loss = selection_loss(scores, labels)
    assert float(loss.detach()) == pytest.approx((1 + 0.25) / 2)
    assert torch.autograd.grad(loss, scores)[0].tolist() == [[1.0, -0.5]]


def test_recall_is_the_share_of_relevant_frames_that_are_selected() -> None:
    labels = torch.tensor([[0.9, 0.5, 0.5, -1.0], [0.1, 0.2, 0.3, 0.4]])
    scores = torch.tensor([[3.0, 1.0, 2.0, 4.0], [1.0, 2.0, 3.0, 4.0]])
    assert float(recall_at(scores, labels, 1)) == 0.5  # the best frame of the second row only
    assert float(recall_at(scores, labels, 2)) == 0.75
    assert float(recall_at(scores[:, :3], labels[:, :3], 2)) == 1.0  # frames of equal relevance count alike
    assert float(recall_at(scores, labels, 9)) == 1.0


def test_settings_round_trip(selector: FrameSelector) -> None:
    assert SelectorConfig(**selector.settings) == CONFIG


@torch.no_grad()
def test_padding_of_a_caption_does_not_change_the_scores() -> None:
    torch.manual_seed(0)
    selector = FrameSelector(replace(CONFIG, mask_padding=True)).eval()
    padded = nn.functional.pad(text(), (0, 0, 0, 7))
    scores = selector(memory(5), ones(5), ones(5), text())
    torch.testing.assert_close(selector(memory(5), ones(5), ones(5), padded), scores)
    sources = in_sources(memory(5)[0], [3, 2], selector)
    torch.testing.assert_close(selector.score_sources(sources, padded[:1]), selector.score_sources(sources, text()[:1]))
    assert selector(memory(5), ones(5), ones(5), torch.zeros_like(padded)).isfinite().all()


def test_bias_of_an_older_adapter_is_a_scalar(selector: FrameSelector) -> None:
    stored = {**selector.state_dict(), "bias": torch.tensor(0.5)}
    selector.load_state_dict(stored)
    assert selector.bias.tolist() == [0.5]


def in_sources(memory_FCHW: Tensor, lengths: list[int], selector: FrameSelector) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The frames as sources of these lengths, in film order."""
    ages = range(len(lengths), 0, -1)
    return [
        (selector.features(part), torch.full((len(part),), age), torch.arange(len(part)))
        for part, age in zip(memory_FCHW.split(lengths), ages, strict=True)
    ]


@pytest.mark.parametrize("group", [1, 20, 2**12])
@pytest.mark.parametrize("lengths", [[1], [5, 1, 3], [2] * 12])
@torch.no_grad()
def test_scoring_by_source_equals_the_forward(
    selector: FrameSelector, lengths: list[int], group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sources come one by one or in groups of up to `group` tokens, more of them than there are ages."""
    monkeypatch.setattr("onestory_cli.memory.selector._GROUP_TOKENS", group)
    draw = torch.Generator().manual_seed(3)
    memory = torch.randn(sum(lengths), 4, 8, 8, generator=draw)
    text = torch.randn(1, 6, selector.config.text_dim, generator=draw)
    sources = in_sources(memory, lengths, selector)
    ages, times = (torch.cat([source[part] for source in sources])[None] for part in (1, 2))
    expected = selector(memory[None], ages, times, text)[0]
    torch.testing.assert_close(selector.score_sources(iter(sources), text), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_features_do_not_depend_on_the_chunks(selector: FrameSelector, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = torch.randn(7, 4, 8, 8, generator=torch.Generator().manual_seed(4))
    whole = selector.features(memory)
    monkeypatch.setattr("onestory_cli.memory.selector._MAP_VALUES", 1)
    torch.testing.assert_close(selector.features(memory), whole)


@torch.no_grad()
def test_streaming_attention_is_stable_for_large_logits() -> None:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(16, 4, batch_first=True)
    nn.init.normal_(module.in_proj_bias)
    queries, tokens = torch.randn(3, 16) * 60, torch.randn(50, 16) * 60
    stream = StreamingAttention(module, queries)
    for part in tokens.split(7):
        stream.add(part)
    expected = module(queries[None], tokens[None], tokens[None], need_weights=False)[0][0]
    torch.testing.assert_close(stream.output(), expected, rtol=1e-3, atol=1e-3)
