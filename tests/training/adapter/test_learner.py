"""The loss of a training step of an adapter, and the inputs of the transformer in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from onestory_cli.training.adapter.base import AdapterModel, Base
from onestory_cli.training.adapter.build import build_adapter
from onestory_cli.training.adapter.fit import fit
from onestory_cli.training.adapter.learner import Choices, Noise, draw_choices, draw_shape, losses_of
from onestory_cli.training.adapter.recipe import AdapterMemory, read_adapter_recipe
from onestory_cli.training.adapter.triples import Triples
from tests.bases import write_base
from tests.training.adapter.conftest import write_recipe

ROWS, FRAMES, CHANNELS = 2, 2, 48  # two latent frames per shot, four to remember


@pytest.fixture(scope="module")
def model(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> AdapterModel:
    """A new adapter on a base that inpaints first frames and takes a time per token."""
    return build(tmp_path_factory.mktemp("learner"), manifest)


def build(folder: Path, manifest: Path, **fields: Any) -> AdapterModel:
    path = write_recipe(folder / "recipe.yaml", write_base(folder / "ti2v", "ti2v"), manifest, delta="full", **fields)
    recipe = read_adapter_recipe(path)
    base = Base(fit(recipe, path, folder / "adapter").spec, torch.device("cpu"))
    return build_adapter(recipe, base, frozen=torch.float32, relative_to=folder)


@pytest.fixture
def batch() -> Triples:
    """Triples with a synthetic second shot."""
    chance = torch.Generator().manual_seed(0)
    shape = (ROWS, 2 * FRAMES)
    return Triples(
        target_BCTHW=torch.randn(ROWS, CHANNELS, FRAMES, 4, 4, generator=chance),
        text_BLE=torch.randn(ROWS, 5, 16, generator=chance),
        memory_BFCHW=torch.randn(*shape, CHANNELS, 4, 4, generator=chance),
        labels_BF=torch.rand(shape, generator=chance),
        real_BF=torch.tensor([[True, True, False, False]] * ROWS),
        ages_BF=torch.tensor([[2, 2, 1, 1]] * ROWS),
        times_BF=torch.tensor([[0, 1, 0, 1]] * ROWS),
    )


@pytest.fixture
def calls(model: AdapterModel) -> Iterator[list[dict[str, Any]]]:
    """The arguments of every call of the transformer."""
    calls: list[dict[str, Any]] = []

    def note(_module: object, inputs: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        calls.append({"noisy": inputs[0], "times": inputs[1], **named})

    hook = model.transformer.register_forward_pre_hook(note, with_kwargs=True)
    yield calls
    hook.remove()


def choices(batch: Triples, step: int = 5, *, alone: bool = False, seed: int = 0, **memory: Any) -> Choices:
    slots = AdapterMemory(**{"remembered": (3,), "budgets": (4.0,), **memory})
    rng, warming = np.random.default_rng(seed), step < 3
    return draw_choices(
        batch,
        draw_shape(rng, slots, warming=warming, shot_frames=FRAMES, alone=alone, length=5),
        memory=slots,
        noise=Noise(mean=0, std=1, shift=3),
        warming=warming,
        chance=torch.Generator().manual_seed(seed),
    )


def test_transformer_gets_noisy_target_and_best_frames(
    model: AdapterModel, batch: Triples, calls: list[dict[str, Any]]
) -> None:
    chosen = choices(batch)
    losses = losses_of(model, batch, chosen, selection_weight=1.0)
    assert set(losses) == {"loss", "flow_memory", "selection", "recall"}
    assert float(losses["loss"].detach()) == pytest.approx(float(losses["flow_memory"] + losses["selection"]))
    time = chosen.time_B[:, None, None, None, None]
    assert torch.allclose(calls[0]["noisy"], (1 - time) * batch.target_BCTHW + time * chosen.noise_BCTHW)
    tokens = calls[0]["context_tokens"].shape[1]
    assert tokens == 3 * 4  # three frames at the finest level, of 2 x 2 tokens each
    assert torch.allclose(calls[0]["times"][:, :tokens], torch.zeros(ROWS, tokens))
    assert torch.allclose(calls[0]["times"][:, tokens:], (1000 * chosen.time_B)[:, None].expand(-1, FRAMES * 4))


def test_warm_up_conditions_on_random_real_frames(
    model: AdapterModel, batch: Triples, calls: list[dict[str, Any]]
) -> None:
    """Decoupled conditioning: the selector and the synthetic shot have no effect."""
    orders = [choices(batch, step=0, seed=seed) for seed in range(12)]
    assert all(
        sorted(row[:2].tolist()) == [0, 1] for item in orders if item.order_BF is not None for row in item.order_BF
    )
    assert len({str(item.order_BF) for item in orders}) > 1
    assert orders[0].shape.frames == 2
    real = batch.real_BF[:, :, None, None, None]
    other = replace(batch, memory_BFCHW=torch.where(real, batch.memory_BFCHW, -batch.memory_BFCHW))
    for item in (batch, other):
        losses_of(model, item, orders[0], selection_weight=1.0)
    assert torch.equal(calls[0]["context_tokens"], calls[1]["context_tokens"])


def test_selector_learns_only_from_labels(model: AdapterModel, batch: Triples) -> None:
    losses_of(model, batch, choices(batch), selection_weight=0.0)["loss"].backward()
    assert not any(item.grad is not None and item.grad.any() for item in model.selector.parameters())
    assert model.conditioner.patchifiers["fine"].weight.grad.any()
    losses_of(model, batch, choices(batch), selection_weight=1.0)["loss"].backward()
    assert model.selector.queries.grad.any()
    for part in (model.selector, model.conditioner, model.transformer):
        part.zero_grad()


def test_isolated_context_gets_gradients(model: AdapterModel, batch: Triples, manifest: Path, tmp_path: Path) -> None:
    memory = {"remembered": [3], "budgets": [2.0], "selector_width": 16, "queries": 2, "isolated_context": True}
    isolated = build(tmp_path, manifest, memory=memory)
    isolated.transformer.enable_gradient_checkpointing()
    with torch.no_grad():
        plain = losses_of(model, batch, choices(batch), selection_weight=0.0)["loss"]
    loss = losses_of(isolated, batch, choices(batch), selection_weight=0.0)["loss"]
    assert float(loss.detach()) != float(plain)
    loss.backward()
    assert isolated.conditioner.patchifiers["fine"].weight.grad.any()
    assert isolated.transformer.blocks[0].attn1.to_k.weight.grad.any()


def test_step_alone_has_no_memory(model: AdapterModel, batch: Triples, calls: list[dict[str, Any]]) -> None:
    losses = losses_of(model, batch, choices(batch, alone=True), selection_weight=1.0)
    assert set(losses) == {"loss", "flow_alone", "selection", "recall"}
    assert calls[0]["context_tokens"].shape[1] == 0


def test_given_first_frame_is_kept_clean_and_excluded_from_loss(
    model: AdapterModel, batch: Triples, calls: list[dict[str, Any]]
) -> None:
    given, chosen = replace(batch, given=True), choices(batch)
    losses = losses_of(model, given, chosen, selection_weight=0.0)
    assert torch.equal(calls[0]["noisy"][:, :, 0], batch.target_BCTHW[:, :, 0])
    assert calls[0]["times"].tolist()[0].count(0.0) == 3 * 4 + 4
    with torch.no_grad():
        found = model.transformer(calls[0]["noisy"], calls[0]["times"], batch.text_BLE, **_rest(calls[0]))[0]
    expected = (found - (chosen.noise_BCTHW - batch.target_BCTHW))[:, :, 1:].square().mean()
    assert float(losses["flow_memory"]) == pytest.approx(float(expected), rel=1e-4)


def _rest(call: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in call.items() if name not in ("noisy", "times")}


def test_memory_noise_has_the_scale_of_the_recipe(batch: Triples) -> None:
    rough = choices(batch, noise=0.3).roughness_BFCHW
    assert rough.shape == batch.memory_BFCHW.shape
    assert float(rough.std()) == pytest.approx(0.3, rel=0.1)
    assert not choices(batch).roughness_BFCHW.any()


def test_noise_of_memory_is_drawn_between_two_levels(batch: Triples) -> None:
    deviations = [
        float(row.std())
        for seed in range(50)
        for row in choices(batch, seed=seed, noise=0.4, noise_min=0.1).roughness_BFCHW
    ]
    assert 0.08 < min(deviations) < 0.15
    assert 0.35 < max(deviations) < 0.42


def test_negatives_replace_a_share_of_the_selected_frames(
    model: AdapterModel, batch: Triples, calls: list[dict[str, Any]]
) -> None:
    negative = replace(batch, negatives_BNCHW=torch.full((ROWS, 2, CHANNELS, 4, 4), 9.0))
    chosen = [choices(negative, seed=seed, negatives=0.25) for seed in range(50)]
    share = torch.stack([item.replaced_BF.float() for item in chosen]).mean()
    assert float(share) == pytest.approx(0.25, abs=0.06)
    assert {int(value) for item in chosen for value in item.negative_BF.flatten()} == {0, 1}
    first = torch.zeros(ROWS, 2 * FRAMES, dtype=torch.bool)
    first[:, 0] = True
    with torch.no_grad():
        for item, given in ((batch, chosen[0]), (negative, replace(chosen[0], replaced_BF=first))):
            losses_of(model, item, given, selection_weight=1.0)
    plain, changed = (call["context_tokens"] for call in calls)
    tokens = plain.shape[1] // 3
    assert not torch.allclose(plain[:, :tokens], changed[:, :tokens])
    assert torch.equal(plain[:, tokens:], changed[:, tokens:])


@pytest.mark.parametrize(("least", "most"), [(0.0, 1.0), (0.875, 1.0), (0.0, 0.875)])
def test_noise_levels_stay_in_the_range_of_an_expert(least: float, most: float) -> None:
    levels = Noise(mean=0, std=1, shift=5, least=least, most=most).draw(1000, torch.Generator().manual_seed(0))
    assert least - 1e-6 < float(levels.min()) < float(levels.max()) <= most
    # the distribution of all levels, cut to the band: not squeezed into it
    everything = Noise(mean=0, std=1, shift=5).draw(20_000, torch.Generator().manual_seed(1))
    cut = everything[(everything >= least) & (everything <= most)]
    for share in (0.05, 0.5, 0.95):
        assert float(levels.quantile(share)) == pytest.approx(float(cut.quantile(share)), abs=0.05 * (most - least))
