"""The loss of a training step, and the inputs of the transformer in it.

Shape letters: B batch, F memory frames, K selected frames, C latent channels, T latent frames, H W latent cells.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from onestory_cli.models.load import LoadedModel
from onestory_cli.training.data import LatentData
from onestory_cli.training.objective import Losses, ShotObjective, TextObjective, relevance_order, step_generators
from onestory_cli.training.probes.labels import LOOK_CLASSES, ROLE_CLASSES, SETTING_CLASSES, WordProbe
from onestory_cli.training.probes.token_probe import TokenProbe
from onestory_cli.training.recipe import Stage
from tests.tiny import tiny_built

STAGE = Stage(
    name="test",
    kind="adapter",
    target="shot",
    steps=4,
    batch=3,
    rate=1e-3,
    memory=1.0,
    earlier=(0.0, 1.0),
    remembered=(3,),
    budgets=(2.0,),
    first_frame=0.0,
)
Objective = Callable[..., Losses]


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return tiny_built()


@pytest.fixture
def losses(model: LoadedModel, latents: LatentData) -> Objective:
    """A function that returns the losses of a step of a stage."""

    def call(step: int = 0, **fields: Any) -> Losses:
        stage = replace(STAGE, **fields)
        return ShotObjective(model=model, data=latents, stage=stage)(*step_generators(3, 1, step))

    return call


@pytest.fixture
def calls(model: LoadedModel) -> Iterator[list[dict[str, Any]]]:
    """The arguments of every call of the transformer."""
    calls: list[dict[str, Any]] = []

    def note(_module: object, inputs: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        calls.append({"noisy": inputs[0], "times": inputs[1], **named})

    hook = model.transformer.register_forward_pre_hook(note, with_kwargs=True)
    yield calls
    hook.remove()


def test_generators_depend_on_seed_stage_and_step() -> None:
    def numbers(*place: int) -> tuple[float, float]:
        rng, noise = step_generators(*place)
        return rng.random(), float(torch.rand((), generator=noise))

    places = [(3, 1, 7), (4, 1, 7), (3, 2, 7), (3, 1, 8)]
    drawn = [numbers(*place) for place in places]
    assert len({first for first, _ in drawn}) == len({second for _, second in drawn}) == 4
    assert numbers(3, 1, 7) == drawn[0]


def test_step_does_not_depend_on_earlier_draws(losses: Objective) -> None:
    first = losses(5)
    torch.manual_seed(99)
    np.random.default_rng().random()
    second = losses(5)
    assert set(first) == {"loss", "flow_memory", "selection"}
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["loss"], losses(6)["loss"])


def test_selection_loss_is_added_with_its_weight(losses: Objective) -> None:
    made = losses(selection_weight=0.25)
    torch.testing.assert_close(made["loss"], made["flow_memory"] + 0.25 * made["selection"])


def test_every_part_learns_in_steps_with_memory(model: LoadedModel, losses: Objective) -> None:
    parts = {
        "transformer": model.transformer,
        "text_encoder": model.text.encoder,
        "selector": model.selector,
        "conditioner": model.conditioner,
    }
    losses()["loss"].backward()
    for name, part in parts.items():
        assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in part.parameters()), name
        part.zero_grad()


def test_isolated_context_gets_gradients_and_supervised_attention(losses: Objective, latents: LatentData) -> None:
    model = tiny_built()
    model.denoiser = replace(model.denoiser, spec=replace(model.spec, isolated_context=True))
    stage = replace(STAGE, match_block=1, match_weight=0.5)
    made = ShotObjective(model=model, data=latents, stage=stage)(*step_generators(3, 1, 0))
    assert abs(float((made["flow_memory"] - losses()["flow_memory"]).detach())) > 1e-4
    made["loss"].backward()
    for part in (model.transformer, model.conditioner):
        assert any(weight.grad is not None and weight.grad.any() for weight in part.parameters())


@pytest.mark.parametrize(
    ("name", "classes"), [("looks", LOOK_CLASSES), ("roles", ROLE_CLASSES), ("setting", SETTING_CLASSES)]
)
@pytest.mark.parametrize(("kind", "flow"), [("adapter", "memory"), ("base", "alone")])
@pytest.mark.parametrize("target", ["shot", "image"])
def test_probe_loss_trains_blocks_up_to_the_probed_one(
    model: LoadedModel,
    latents: LatentData,
    name: str,
    classes: tuple[int, ...],
    kind: str,
    flow: str,
    target: str,
) -> None:
    config = model.transformer.config
    reader = TokenProbe(config.num_attention_heads * config.attention_head_dim, classes)
    asked = {f"{name}_weight": 0.5, f"{name}_block": 0}
    stage = replace(STAGE, kind=kind, target=target, selection_weight=0.0, **asked)
    objective = ShotObjective(model=model, data=latents, stage=stage, readers={name: reader})
    made = objective(*step_generators(3, 1, 0))
    assert {f"{name}_{flow}", f"flow_{flow}"} < set(made)
    assert made[f"{name}_{flow}"] > 0.1
    torch.testing.assert_close(made["loss"].detach(), made[f"flow_{flow}"] + 0.5 * made[f"{name}_{flow}"])
    (made["loss"] - ShotObjective(model=model, data=latents, stage=stage)(*step_generators(3, 1, 0))["loss"]).backward()
    moved = [max(float(value.grad.abs().max()) for value in block.parameters()) for block in model.transformer.blocks]
    assert moved[0] > 100 * moved[1]  # the flow losses of the two cancel out
    for part in (model.transformer, model.text.encoder, model.selector, model.conditioner):
        part.zero_grad()


def test_words_train_the_text_encoder_except_for_empty_captions(model: LoadedModel, latents: LatentData) -> None:
    reader = WordProbe(model.text.encoder.config.d_model)
    stage = replace(STAGE, kind="base", words_weight=0.5)
    made = ShotObjective(model=model, data=latents, stage=stage, words=reader)(*step_generators(3, 1, 0))
    torch.testing.assert_close(made["loss"].detach(), made["flow_alone"] + 0.5 * made["words"])
    assert made["words"] > 0.1
    silent = replace(stage, drop_text=1.0)
    assert ShotObjective(model=model, data=latents, stage=silent, words=reader)(*step_generators(3, 1, 0))["words"] == 0


def test_text_stage_trains_only_the_encoder_and_limits_its_change(model: LoadedModel, latents: LatentData) -> None:
    moving, before = (
        replace(model, text=replace(model.text, encoder=copy.deepcopy(model.text.encoder))),
        model.text.encoder,
    )
    with torch.no_grad():
        moving.text.encoder.shared.weight.mul_(1.1)
    stage = replace(STAGE, kind="text", keep_weight=0.5)
    words = WordProbe(model.text.encoder.config.d_model)
    objective = TextObjective(model=moving, data=latents, stage=stage, words=words, before=before)
    made = objective(*step_generators(3, 1, 0))
    assert made["moved"] > 1e-4
    torch.testing.assert_close(made["loss"].detach(), made["words"] + 0.5 * made["moved"])
    made["loss"].backward()
    assert any(value.grad.abs().sum() > 0 for value in moving.text.encoder.parameters() if value.grad is not None)
    assert all(value.grad is None for value in before.parameters())


def test_base_has_no_memory_and_no_selection_loss(losses: Objective, calls: list[dict[str, Any]]) -> None:
    made = losses(kind="base")
    assert set(made) == {"loss", "flow_alone"}
    assert torch.equal(made["loss"].detach(), made["flow_alone"])
    assert calls[0]["context_tokens"] is None


def test_share_of_steps_with_memory_is_as_configured(losses: Objective) -> None:
    with_memory = ["flow_memory" in losses(step, target="image", memory=0.5) for step in range(16)]
    assert 3 < sum(with_memory) < 13


def test_shot_is_whole_and_image_has_its_own_time(losses: Objective, calls: list[dict[str, Any]]) -> None:
    for step in range(8):
        losses(step, target="image")
    losses()
    assert {call["noisy"].shape for call in calls[:-1]} == {(3, 4, 1, 8, 8)}
    assert {call["first_frame"] for call in calls[:-1]} == {0, 1}
    assert calls[-1]["noisy"].shape == (3, 4, 2, 8, 8)
    assert calls[-1]["first_frame"] == 0


def test_batch_of_images_without_memory_is_doubled(losses: Objective, calls: list[dict[str, Any]]) -> None:
    losses(kind="base", target="image")
    assert len(calls[0]["noisy"]) == 6


def test_context_and_given_first_frame_are_clean(
    losses: Objective, calls: list[dict[str, Any]], latents: LatentData
) -> None:
    losses(first_frame=1.0)
    call = calls[0]
    tokens = call["context_tokens"].shape[1]
    assert tokens == 24
    assert call["times"].shape == (3, tokens + 32)
    assert call["times"][:, : tokens + 16].eq(0).all()
    assert call["times"][:, tokens + 16 :].gt(0).all()
    for frame in call["noisy"][:, :, 0]:
        assert (latents.latents[:, :, :, 0] == frame).flatten(2).all(2).any()


def test_given_first_frame_is_excluded_from_the_error(
    model: LoadedModel, latents: LatentData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def error_of(wrong: int) -> float:
        def answer(noisy: Tensor, *_: object, **__: object) -> tuple[Tensor]:
            made = torch.zeros_like(noisy)
            made[:, :, wrong] = 100
            return (made,)

        monkeypatch.setattr(model.transformer, "forward", answer)
        stage = replace(STAGE, kind="base", first_frame=1.0)
        return float(ShotObjective(model=model, data=latents, stage=stage)(*step_generators(3, 1, 0))["loss"])

    assert error_of(0) < 100 < error_of(1)


def test_memory_gets_noise_and_the_drawn_frames_and_budget(
    model: LoadedModel, losses: Objective, calls: list[dict[str, Any]], latents: LatentData
) -> None:
    frames: list[Tensor] = []
    hook = model.conditioner.register_forward_pre_hook(lambda _module, inputs: frames.append(inputs[0]))
    losses(remembered=(2,), budgets=(1.0,), memory_noise=0.0)
    losses(remembered=(2,), budgets=(1.0,), memory_noise=0.5)
    hook.remove()
    assert [item.shape for item in frames] == [(3, 2, 4, 8, 8)] * 2
    known = latents.latents.transpose(2, 3).reshape(-1, 1, 4, 8, 8)
    clean = [(known == item.flatten(0, 1)).flatten(2).all(2).any(0).all() for item in frames]
    assert [bool(item) for item in clean] == [True, False]
    assert calls[0]["context_tokens"].shape == (3, 8, 32)


def test_captions_are_dropped_only_without_memory(
    model: LoadedModel, losses: Objective, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = model.text.encode
    seen: list[list[str]] = []

    def note(captions: list[str]) -> Tensor:
        seen.append(captions)
        return encode(captions)

    monkeypatch.setattr(model.text, "encode", note)
    losses(kind="base", drop_text=1.0)
    losses(drop_text=1.0)
    assert set(seen[0]) == {""}
    assert "" not in seen[1]


def order(
    conditioning: str, *, real: Tensor, labels: Tensor, scores: Tensor, seed: int = 0, noise: float = 0.0
) -> Tensor:
    stage = replace(STAGE, conditioning=conditioning, label_noise=noise)
    return relevance_order(stage, real, labels, scores, torch.Generator().manual_seed(seed))


def test_uniform_takes_real_frames_before_inflated_ones() -> None:
    real = torch.tensor([[True, False, False, True, True, False]]).expand(50, -1)
    labels, scores = torch.where(real, -1.0, 1.0), torch.where(real, -9.0, 9.0)
    made = order("uniform", real=real, labels=labels, scores=scores)
    assert made[:, :3].sort(1).values.tolist() == [[0, 3, 4]] * 50
    assert {int(first) for first in made[:, 0]} == {0, 3, 4}


def test_labels_or_scores_determine_the_order() -> None:
    real = torch.ones(1, 4, dtype=torch.bool)
    labels, scores = torch.tensor([[0.2, -1.0, 0.9, 0.5]]), torch.tensor([[0.1, 0.8, -0.2, 0.3]])
    assert order("labels", real=real, labels=labels, scores=scores).tolist() == [[2, 3, 0, 1]]
    assert order("selector", real=real, labels=labels, scores=scores).tolist() == [[1, 3, 0, 2]]
    noisy = {
        tuple(order("labels", real=real, labels=labels, scores=scores, seed=seed, noise=3.0)[0].tolist())
        for seed in range(9)
    }
    assert len(noisy) > 3


def test_selector_labels_are_spread_but_not_below_the_foreign_label(
    losses: Objective, model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[Tensor] = []

    def note(scores_BF: Tensor, labels_BF: Tensor) -> Tensor:
        taught.append(labels_BF)
        return scores_BF.sum() * 0

    monkeypatch.setattr("onestory_cli.training.objective.selection_loss", note)
    losses(spread=(0.0, 0.25))
    losses(spread=(0.0, 0.0))
    spread, plain = taught
    first, second = spread[:, ::2], spread[:, 1::2]
    torch.testing.assert_close(first, plain[:, ::2])
    torch.testing.assert_close(second, torch.where(plain[:, 1::2] > -1, plain[:, 1::2] - 0.25, plain[:, 1::2]))


def test_characters_accessories_and_accents_weigh_more_than_their_surroundings(
    model: LoadedModel, latents: LatentData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ShotObjective, "_velocity", lambda _self, noisy, *_, **__: torch.zeros_like(noisy))
    stage = replace(STAGE, kind="base", batch=16, character_weight=4.0, accent_weight=2.0, accessory_weight=3.0)
    objective = ShotObjective(model=model, data=latents, stage=stage)
    rng, noise = step_generators(3, 1, 0)
    batch = objective._batch(rng, remembers=False)
    torch.randn(16, generator=noise)  # times
    squared_BTHW = (torch.randn(batch.target_BCTHW.shape, generator=noise) - batch.target_BCTHW).square().mean(1)
    cast_BTHW = batch.cast_BATHW.sum(1)
    accent_BTHW = batch.accent_BHW[:, None] * (1 - cast_BTHW)
    shares = ((4, cast_BTHW), (2, accent_BTHW), (3, batch.worn_BTHW))
    weight_BTHW = 1 + sum(weight * (2 * share_BTHW).clamp(max=1) for weight, share_BTHW in shares)
    expected = (weight_BTHW * squared_BTHW).mean() / weight_BTHW.mean()
    assert accent_BTHW.max() > 0.5
    assert batch.worn_BTHW.max() > 0.2
    torch.testing.assert_close(objective(*step_generators(3, 1, 0))["flow_alone"], expected)
