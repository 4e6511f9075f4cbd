"""Cached text projections: the same bits, fewer calls, nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from onestory_cli.generation.denoise import Conditions, DenoiseConfig, denoise, prepare_latents
from onestory_cli.models import caches
from onestory_cli.models.model import LoadedModel
from onestory_cli.models.transformer import rotary_embedding
from tests.tiny import tiny_folder, tiny_model

__all__ = ["tiny_folder", "tiny_model"]

SHAPE = (1, 4, 2, 8, 8)  # 32 tokens
SCHEDULE = DenoiseConfig(name="euler", steps=3, shift=2.0, guidance=3.0)


@pytest.fixture
def conditions(tiny_model: LoadedModel) -> Conditions:
    with torch.inference_mode():
        text = tiny_model.text.encode(["A red fox waves.", ""])
    return Conditions(
        prompt_embeds_BLE=text[:1],
        negative_prompt_embeds_BLE=text[1:],
        context_BSD=torch.zeros(1, 0, 1),
        context_rope=rotary_embedding(torch.zeros(0, 3), head_dim=16),
    )


@contextmanager
def computed(model: LoadedModel) -> Iterator[list[str]]:
    """One entry for each computed text projection."""
    seen: list[str] = []
    inside = model.transformer.condition_embedder.text_embedder.linear_1
    handle = inside.register_forward_hook(lambda *_: seen.append("text"))
    yield seen
    handle.remove()


def test_a_text_is_projected_once_per_shot(
    tiny_model: LoadedModel, conditions: Conditions, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = prepare_latents(SHAPE, seed=1)
    with computed(tiny_model) as once:
        made = denoise(tiny_model.denoiser, noise, conditions, SCHEDULE)
    monkeypatch.setattr(caches, "SMALL", 0)
    with computed(tiny_model) as always:
        plain = denoise(tiny_model.denoiser, noise, conditions, SCHEDULE)
    assert (len(once), len(always)) == (2, 6)
    assert torch.equal(made, plain)


def test_the_cache_is_removed_after_an_error(tiny_model: LoadedModel, conditions: Conditions) -> None:
    def stop(step: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        denoise(tiny_model.denoiser, prepare_latents(SHAPE, seed=1), conditions, SCHEDULE, stop)
    assert all("forward" not in vars(module) for module in tiny_model.transformer.modules())


def test_another_tensor_is_projected_separately(tiny_model: LoadedModel) -> None:
    embedder = tiny_model.transformer.condition_embedder.text_embedder
    texts = [torch.full((1, 2, 16), float(value)) for value in range(4)]
    plain = [embedder(text) for text in texts]
    with caches.cache_text_projections([tiny_model.transformer], texts[0], tokens=1):
        again = [embedder(text) for text in (*texts, *texts)]
        assert embedder(texts[3]) is again[-1]
    assert all(torch.equal(one, other) for one, other in zip(plain * 2, again, strict=True))


def test_the_forward_of_a_hook_is_restored(tiny_model: LoadedModel) -> None:
    embedder = tiny_model.transformer.condition_embedder.text_embedder
    embedder.forward = hooked = embedder.forward
    with caches.cache_text_projections([tiny_model.transformer], torch.zeros(1, 2, 16), tokens=1):
        assert embedder.forward is not hooked
    assert vars(embedder).pop("forward") is hooked
