"""Context tokens that attend only to each other: their keys and values are the same in every step of a shot."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from torch import Tensor

from onestory_cli.errors import OnestoryError
from onestory_cli.generation.denoise import Conditions, predict_velocity, prepare_latents
from onestory_cli.models.catalog import CARD, find, read_card
from onestory_cli.models.context_attention import IsolatedContextProcessor
from onestory_cli.models.context_parallel import parallelize
from onestory_cli.models.fingerprint import fingerprint_of
from onestory_cli.models.load import LoadedModel, load_model
from onestory_cli.models.offload.config import ExecutionConfig
from onestory_cli.models.transformer import MemoryWanTransformer
from onestory_cli.training.build import save_model
from tests.generation.conftest import conditions
from tests.models.test_context_cache import SCHEDULE, SHAPE, Stopping, made, token_counts, with_spec
from tests.tiny import tiny_folder, tiny_model

__all__ = ["conditions", "tiny_folder", "tiny_model"]


@pytest.fixture
def isolated(tiny_model: LoadedModel) -> LoadedModel:
    """The tiny model with isolated context."""
    spec = replace(tiny_model.spec, isolated_context=True)
    transformer = copy.deepcopy(tiny_model.transformer)
    return replace(tiny_model, denoiser=replace(tiny_model.denoiser, spec=spec, transformers=(transformer,)))


def without_cache(model: LoadedModel) -> LoadedModel:
    """The model with the attention that it has, and no cache."""
    spec = replace(model.spec, isolated_context=False, reuse_context=False)
    assert not spec.caches_context
    return with_spec(model, spec)


def cache_error(model: LoadedModel, conditions: Conditions) -> float:
    """The largest difference that the cache makes to the latents of a shot, whose values are about 1."""
    return float((made(model, conditions) - made(without_cache(model), conditions)).abs().max())


def test_the_cache_is_exact_for_isolated_context_only(
    tiny_model: LoadedModel, isolated: LoadedModel, conditions: Conditions
) -> None:
    """With guidance and memory guidance: the passes without context leave the stored keys and values alone."""
    ordinary = with_spec(tiny_model, replace(tiny_model.spec, reuse_context=True))
    assert cache_error(isolated, conditions) < 1e-5
    assert cache_error(ordinary, conditions) > 1e-3


def test_later_steps_compute_noise_tokens_only(isolated: LoadedModel, conditions: Conditions) -> None:
    context = conditions.context_BSD.shape[1]
    with token_counts(isolated) as seen:
        made(isolated, conditions, replace(SCHEDULE, guidance=1.0, memory_guidance=0.0))
    assert seen == [context + 32, 32, 32, 32]


@pytest.mark.parametrize("option", [ExecutionConfig(cache=0.1), ExecutionConfig(compile_blocks=True)])
def test_other_caches_take_precedence(isolated: LoadedModel, option: ExecutionConfig) -> None:
    assert isolated.spec.caches_context
    assert not replace(isolated.spec, execution=option).caches_context


def test_a_resumed_shot_has_the_same_bytes(isolated: LoadedModel, conditions: Conditions) -> None:
    checkpoint = Stopping(2)
    whole = made(isolated, conditions, checkpoint=checkpoint)
    assert [partial.step for partial in checkpoint.kept] == [2]
    assert torch.equal(made(isolated, conditions, checkpoint=checkpoint), whole)


class MaskedProcessor(WanAttnProcessor):
    """The stock processor with a dense mask: context tokens see context tokens only."""

    def __call__(self, attn: Any, hidden_states: Tensor, text: Any, mask: Any, rotary: Any) -> Tensor:
        cos, sin, context = rotary
        tokens = hidden_states.shape[1]
        sees = torch.ones(tokens, tokens, dtype=torch.bool)
        sees[:context, context:] = False
        output: Tensor = super().__call__(attn, hidden_states, text, sees, (cos, sin))
        return output


@torch.inference_mode()
def test_two_calls_are_attention_with_a_mask(
    tiny_model: LoadedModel, isolated: LoadedModel, conditions: Conditions
) -> None:
    noise, time = prepare_latents(SHAPE, seed=1), torch.tensor(900.0)
    found = predict_velocity(isolated.denoiser, noise, time, conditions)
    full = predict_velocity(tiny_model.denoiser, noise, time, conditions)
    for block in isolated.transformer.blocks:
        block.attn1.set_processor(MaskedProcessor())
    torch.testing.assert_close(
        found, predict_velocity(isolated.denoiser, noise, time, conditions), rtol=1e-4, atol=1e-5
    )
    assert (found - full).abs().max() > 1e-3


@torch.inference_mode()
def test_passes_without_context_are_those_of_the_base(
    tiny_model: LoadedModel, isolated: LoadedModel, conditions: Conditions
) -> None:
    empty = replace(
        conditions,
        context_BSD=conditions.context_BSD[:, :0],
        context_rope=tuple(item[:, :0] for item in conditions.context_rope),
    )
    noise, time = prepare_latents(SHAPE, seed=1), torch.tensor(900.0)
    found, plain = (predict_velocity(item.denoiser, noise, time, empty) for item in (isolated, tiny_model))
    assert torch.equal(found, plain)


def gradients(model: LoadedModel, conditions: Conditions) -> dict[str, Tensor]:
    """The gradients of the transformer's weights, and of the context tokens as "context"."""
    transformer = model.transformer.train().requires_grad_(True)
    context = conditions.context_BSD.clone().requires_grad_(True)
    given = replace(conditions, context_BSD=context)
    noise = prepare_latents(SHAPE, seed=1)
    predict_velocity(model.denoiser, noise, torch.tensor(900.0), given).square().mean().backward()
    assert context.grad is not None
    grads = {name: value.grad.clone() for name, value in transformer.named_parameters() if value.grad is not None}
    transformer.zero_grad()
    return grads | {"context": context.grad}


def test_gradient_checkpointing_recomputes_isolated_blocks(isolated: LoadedModel, conditions: Conditions) -> None:
    """The blocks run again in the backward pass, after the forward call of the transformer has ended."""
    plain = replace(
        conditions,
        **{name: value.clone() for name, value in vars(conditions).items() if isinstance(value, Tensor)},
        context_rope=tuple(item.clone() for item in conditions.context_rope),
    )
    expected = gradients(isolated, plain)
    isolated.transformer.enable_gradient_checkpointing()
    found = gradients(isolated, plain)
    assert expected["context"].any()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-7, msg=name)


def test_the_card_keeps_it(isolated: LoadedModel, tiny_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_model(isolated, folder)
    spec = find(str(folder))
    assert spec.isolated_context
    assert fingerprint_of(spec) != fingerprint_of(find(str(tiny_folder)))
    transformer = load_model(spec, "cpu").transformer
    assert isinstance(transformer, MemoryWanTransformer)
    assert all(isinstance(block.attn1.processor, IsolatedContextProcessor) for block in transformer.blocks)
    with pytest.raises(OnestoryError, match="its context tokens attend only to each other") as caught:
        parallelize((transformer,))
    assert caught.value.code == "U606"


def test_a_base_with_one_timestep_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    card = json.loads((tiny_folder / CARD).read_text())
    (tmp_path / CARD).write_text(json.dumps({**card, "isolated_context": True, "expand_timesteps": False}))
    with pytest.raises(OnestoryError, match="isolated_context needs a base with one timestep per token") as caught:
        read_card(tmp_path, name="model")
    assert caught.value.code == "M502"


def test_an_adapter_does_not_inherit_it(isolated: LoadedModel, tmp_path: Path) -> None:
    """The card of an adapter for such a model states what the adapter itself was trained with."""
    save_model(isolated, tmp_path / "base")
    (tmp_path / "own" / "adapter").mkdir(parents=True)
    (tmp_path / "lora").mkdir()
    for name in ("own", "lora"):
        (tmp_path / name / CARD).write_text(json.dumps({"base": "../base"}))
    assert not find(str(tmp_path / "own")).isolated_context
    assert find(str(tmp_path / "lora")).isolated_context
