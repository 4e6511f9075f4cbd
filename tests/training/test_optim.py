"""Learning rates, orthogonal steps and averages."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from onestory_cli.training.optim import MovingAverage, Optimiser, is_hidden_matrix, named_weights, rate_factor
from onestory_cli.training.recipe import Stage

STAGE = Stage(
    name="test", kind="base", steps=100, batch=1, rate=0.01, matrix_rate=0.1, weight_decay=0.0, warmup=10, cooldown=0.4
)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.ModuleDict(
        {"inner": nn.Conv2d(8, 6, 3), "mix": nn.Linear(6, 6), "embed": nn.Linear(8, 8), "proj_out": nn.Linear(8, 4)}
    )


def put_gradients(module: nn.Module, *, scale: float = 1e-3, seed: int = 1) -> None:
    draw = torch.Generator().manual_seed(seed)
    for weight in module.parameters():
        weight.grad = torch.randn(weight.shape, generator=draw) * scale


def copies(module: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in module.named_parameters()}


@pytest.mark.parametrize(
    ("step", "factor"),
    [(0, 0.1), (4, 0.5), (9, 1.0), (10, 1.0), (59, 1.0), (60, 1.0), (80, 0.5), (99, 0.01), (200, 0.01)],
)
def test_rate_warms_up_stays_and_falls(step: int, factor: float) -> None:
    assert rate_factor(STAGE, step) == pytest.approx(factor, abs=1e-9 if step != 99 else 1e-3)


def test_plateau_does_not_depend_on_the_length_of_the_stage() -> None:
    longer = replace(STAGE, steps=1000)
    assert all(rate_factor(STAGE, step) == rate_factor(longer, step) for step in range(60))


def test_position_biases_have_their_own_rate_and_no_decay() -> None:
    def change(rate: float) -> Tensor:
        module = nn.ModuleDict({"relative_attention_bias": nn.Embedding(8, 4), "mix": nn.Linear(6, 6)})
        nn.init.ones_(module["relative_attention_bias"].weight)
        before = copies(module)["relative_attention_bias.weight"]
        stage = replace(STAGE, places_rate=rate, weight_decay=0.5, warmup=1)
        optimiser = Optimiser(stage, {"text": module})
        put_gradients(module)
        optimiser.step(20)
        return (module["relative_attention_bias"].weight.detach() - before).abs()

    torch.testing.assert_close(change(0.3), torch.full((8, 4), 0.3), rtol=1e-3, atol=0)
    assert change(0.0).max() < 0.02  # the common rate, and weight decay


def test_hidden_matrices_use_muon_and_the_rest_adamw() -> None:
    module = network()
    before = copies(module)
    optimiser = Optimiser(STAGE, {"net": module})
    put_gradients(module)
    optimiser.step(20)
    for name, weight in module.named_parameters():
        change = (weight.detach() - before[name]).flatten(1) if weight.ndim > 1 else weight.detach() - before[name]
        if name in ("inner.weight", "mix.weight"):
            values = torch.linalg.svdvals(change)
            assert values.min() / values.max() > 0.5
        else:
            torch.testing.assert_close(change.abs(), torch.full_like(change, 0.01), rtol=0.05, atol=0)


def test_muon_steps_without_bfloat16_are_equal_up_to_rounding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def trained(fast: bool) -> dict[str, Tensor]:
        monkeypatch.setattr("onestory_cli.training.optim.is_fast_in_bfloat16", lambda device: fast)
        module = network()
        optimiser = Optimiser(STAGE, {"net": module})
        before = copies(module)
        for seed in range(3):  # the second step uses the momentum of the first
            put_gradients(module, seed=seed)
            optimiser.step(20)
        return {name: weight.detach() - before[name] for name, weight in module.named_parameters()}

    rounded, exact = trained(True), trained(False)
    for name, change in exact.items():
        assert float((change - rounded[name]).norm() / change.norm()) < 0.2, name
    assert not torch.equal(exact["mix.weight"], rounded["mix.weight"])


def test_without_matrix_rate_all_weights_use_adamw() -> None:
    module = network()
    before = copies(module)
    optimiser = Optimiser(replace(STAGE, matrix_rate=0.0), {"net": module})
    put_gradients(module)
    optimiser.step(20)
    for name, weight in module.named_parameters():
        change = (weight.detach() - before[name]).abs()
        torch.testing.assert_close(change, torch.full_like(change, 0.01), rtol=0.05, atol=0)


def test_step_clears_gradients_and_skips_weights_without_gradient() -> None:
    module = network()
    optimiser = Optimiser(STAGE, {"net": module})
    put_gradients(module)
    module["inner"].weight.grad = module["embed"].weight.grad = None
    before = copies(module)
    optimiser.step(20)
    assert all(weight.grad is None for weight in module.parameters())
    assert torch.equal(module["inner"].weight, before["inner.weight"])
    assert torch.equal(module["embed"].weight, before["embed.weight"])
    assert not torch.equal(module["mix"].weight, before["mix.weight"])


def test_gradients_are_clipped_together() -> None:
    module = network()
    optimiser = Optimiser(replace(STAGE, clip=0.5), {"net": module})
    put_gradients(module, scale=10.0)
    seen: list[float] = []

    def note(*_: object) -> None:
        gradients = [weight.grad.flatten() for weight in module.parameters() if weight.grad is not None]
        seen.append(float(torch.cat(gradients).norm()))

    hook = register_optimizer_step_pre_hook(note)
    optimiser.step(20)
    hook.remove()
    assert seen == [pytest.approx(0.5, rel=1e-3)] * 2


def test_new_optimiser_resumes_from_stored_state() -> None:
    def run(split: bool) -> nn.Module:
        module = network()
        optimiser = Optimiser(STAGE, {"net": module})
        for step in range(4):
            if split and step == 2:
                state = optimiser.state_dict()
                optimiser = Optimiser(STAGE, {"net": module})
                optimiser.load_state_dict(state)
            put_gradients(module, seed=step)
            optimiser.step(step)
        return module

    whole, split = run(split=False), run(split=True)
    assert all(map(torch.equal, whole.parameters(), split.parameters()))


@pytest.mark.parametrize(
    ("name", "shape", "hidden"),
    [
        ("transformer.blocks.0.attn1.to_q.weight", (32, 32), True),
        ("vae.decoder.mid_block.resnets.0.conv1.weight", (8, 8, 3, 3, 3), True),
        ("selector.mix.0.weight", (64, 32), True),
        ("transformer.blocks.0.attn1.to_q.bias", (32,), False),
        ("transformer.patch_embedding.weight", (32, 16, 1, 2, 2), False),
        ("transformer.condition_embedder.time_proj.weight", (192, 32), False),
        ("transformer.proj_out.weight", (64, 32), False),
        ("text_encoder.shared.weight", (90, 16), False),
        ("selector.queries", (4, 32), False),
        ("selector.ages.weight", (8, 32), False),
        ("conditioner.patchifiers.medium.weight", (32, 16, 1, 4, 4), False),
        ("vae.decoder.conv_out.weight", (3, 8, 3, 3, 3), False),
    ],
)
def test_is_hidden_matrix(name: str, shape: tuple[int, ...], hidden: bool) -> None:
    assert is_hidden_matrix(name, torch.zeros(shape)) is hidden


def test_average_forgets_its_start_and_then_decays() -> None:
    module = nn.Linear(1, 1, bias=False)
    average = MovingAverage({"net": module}, decay=0.9)
    expected = float(module.weight)
    for step in range(30):
        with torch.no_grad():
            module.weight.fill_(step)
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert float(average.weights["net.weight"]) == pytest.approx(expected, rel=1e-5)
    assert float(module.weight) == 29


def test_weights_are_named_by_part_and_tied_ones_occur_once() -> None:
    tied = nn.ModuleDict({"a": nn.Linear(2, 2, bias=False), "b": nn.Linear(2, 2, bias=False)})
    tied["b"].weight = tied["a"].weight
    assert [name for name, _ in named_weights({"x": tied, "y": nn.Linear(1, 1)})] == [
        "x.a.weight",
        "y.weight",
        "y.bias",
    ]
