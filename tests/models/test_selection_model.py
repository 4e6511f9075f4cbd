"""Scoring a bank by a model: cached features, and the same scores with and without the cache."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import pytest
import torch

from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models import image_text_scorer
from onestory_cli.models import model as model_module
from onestory_cli.models.image_text_scorer import LatentsDigests, latents_digest
from onestory_cli.models.load import LoadedModel
from onestory_cli.models.model import TextSelector, frame_scores

CAPTION = "The same fox waves on the beach."


@pytest.fixture
def selection(tiny_model: LoadedModel) -> TextSelector:
    assert isinstance(tiny_model.selection, TextSelector)
    return replace(tiny_model.selection, features={})


def bank_of(count: int, *, frames: int = 2) -> MemoryBank:
    bank, draw = MemoryBank(channels=4, height=8, width=8), torch.Generator().manual_seed(0)
    for index in range(count):
        bank.add(f"shot-{index}", torch.randn(4, frames, 8, 8, generator=draw))
    return bank


@torch.inference_mode()
def scores(selection: TextSelector, bank: MemoryBank) -> torch.Tensor:
    return selection.relevance(CAPTION, bank, "adaptive")


@torch.inference_mode()
def test_scores_equal_those_of_all_frames_at_once(selection: TextSelector) -> None:
    bank = bank_of(12)
    embeds = selection.text.encode_cached(CAPTION)
    expected = frame_scores(selection.selector, bank.frames_FCHW[None], bank.ages_F, bank.times_F, embeds)
    torch.testing.assert_close(scores(selection, bank), expected, rtol=1e-4, atol=1e-5)


def test_an_empty_bank_has_no_scores(selection: TextSelector) -> None:
    assert scores(selection, bank_of(0)).shape == (1, 0)


def test_a_new_shot_costs_the_features_of_one_source(selection: TextSelector) -> None:
    scores(selection, bank_of(5))
    with patch.object(type(selection.selector), "features", autospec=True, side_effect=AssertionError) as computed:
        scores(selection, bank_of(5))
        with pytest.raises(AssertionError):
            scores(selection, bank_of(6))
    assert computed.call_count == 1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_scores_do_not_depend_on_the_cache(
    selection: TextSelector, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    selection = replace(selection, spec=replace(selection.spec, dtype=dtype))
    first, cached = scores(selection, bank_of(4)), scores(selection, bank_of(4))
    monkeypatch.setattr(model_module, "MAX_FEATURE_BYTES", 0)
    selection.features.clear()
    uncached = scores(selection, bank_of(4))
    assert selection.features == {}
    assert torch.equal(first, cached)
    assert torch.equal(first, uncached)


def test_the_cache_is_bounded_and_drops_sources_that_are_gone(
    selection: TextSelector, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores(selection, bank_of(3))
    one = next(iter(selection.features.values())).nbytes
    monkeypatch.setattr(model_module, "MAX_FEATURE_BYTES", 4 * one)
    scores(selection, bank_of(8))
    assert len(selection.features) == 4
    scores(selection, bank_of(1))
    assert len(selection.features) == 1


def test_digests_are_computed_once_for_each_source() -> None:
    digests, latents = LatentsDigests(), [torch.randn(4, 2, 8, 8) for _ in range(3)]
    first = digests.of(latents[:2])
    with patch.object(image_text_scorer, "latents_digest", side_effect=latents_digest) as computed:
        assert digests.of([latents[1], latents[0].detach(), latents[2]]) == [*first[::-1], latents_digest(latents[2])]
        assert computed.call_count == 1
        assert digests.of([latents[0].clone()]) == first[:1]
