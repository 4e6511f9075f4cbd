"""Context tokens are computed in the first step of a shot and reused afterwards.

Shape letters: B batch, C latent channels, T latent frames, S context tokens, H W latent cells.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from onestory_cli.checkpoint import Partial
from onestory_cli.generation.denoise import Conditions, DenoiseConfig, denoise, predict_velocity, prepare_latents
from onestory_cli.models.caches import ContextCacheProcessor, reuse_context
from onestory_cli.models.load import LoadedModel
from onestory_cli.models.offload.config import ExecutionConfig
from onestory_cli.models.spec import ModelSpec
from tests.generation.conftest import conditions
from tests.tiny import tiny_folder, tiny_model

__all__ = ["conditions", "tiny_folder", "tiny_model"]

SHAPE = (1, 4, 2, 8, 8)
SCHEDULE = DenoiseConfig(name="euler", steps=4, shift=2.0, guidance=2.0, memory_guidance=1.5)


@pytest.fixture
def caching(tiny_model: LoadedModel) -> LoadedModel:
    """The tiny model with a card that asks for reused context."""
    return with_spec(tiny_model, replace(tiny_model.spec, reuse_context=True))


def with_spec(model: LoadedModel, spec: ModelSpec) -> LoadedModel:
    return replace(model, denoiser=replace(model.denoiser, spec=spec))


@contextmanager
def token_counts(model: LoadedModel) -> Iterator[list[int]]:
    """How many tokens the first block computes in every call."""
    seen: list[int] = []
    hook = model.transformer.blocks[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    try:
        yield seen
    finally:
        hook.remove()


def made(model: LoadedModel, conditions: Conditions, schedule: DenoiseConfig = SCHEDULE, **options: Any) -> Tensor:
    return denoise(model.denoiser, prepare_latents(SHAPE, seed=1), conditions, schedule, **options)


@torch.inference_mode()
def test_the_same_step_again_is_the_full_pass(tiny_model: LoadedModel, conditions: Conditions) -> None:
    """Stored keys and values of the very same step change nothing but the rounding."""
    noise, time = prepare_latents(SHAPE, seed=1), torch.tensor(900.0)
    full = predict_velocity(tiny_model.denoiser, noise, time, conditions)
    with reuse_context(tiny_model.denoiser.transformers):
        first = predict_velocity(tiny_model.denoiser, noise, time, conditions)
        again = predict_velocity(tiny_model.denoiser, noise, time, conditions)
    assert torch.equal(first, full)
    torch.testing.assert_close(again, full, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_later_steps_compute_noise_tokens_only(caching: LoadedModel, conditions: Conditions) -> None:
    with token_counts(caching) as seen:
        made(caching, conditions, replace(SCHEDULE, guidance=1.0, memory_guidance=0.0))
    context = conditions.context_BSD.shape[1]
    assert context > 0
    assert seen == [context + 32, 32, 32, 32]


def test_passes_without_memory_do_not_read_the_context(caching: LoadedModel, conditions: Conditions) -> None:
    """With guidance, the first step of a shot is the same to the bit with and without reuse."""
    plain = with_spec(caching, replace(caching.spec, reuse_context=False))
    one_step = replace(SCHEDULE, steps=1)
    assert torch.equal(made(caching, conditions, one_step), made(plain, conditions, one_step))
    assert not torch.equal(made(caching, conditions), made(plain, conditions))


def test_processors_are_stock_again_after_a_shot(caching: LoadedModel, conditions: Conditions) -> None:
    made(caching, conditions)
    transformer = caching.transformer
    assert transformer.context_reuse is None
    assert not any(isinstance(block.attn1.processor, ContextCacheProcessor) for block in transformer.blocks)
    first = made(caching, conditions)
    assert torch.equal(made(caching, conditions), first)


class Stopping:
    """A checkpoint that keeps the state after `step` and hands it out later."""

    enabled = True

    def __init__(self, step: int) -> None:
        self.step, self.count = step, 0
        self.kept: list[Partial] = []

    def load(self, identity: str) -> Partial | None:
        return self.kept[-1] if self.kept and self.kept[-1].identity == identity else None

    def due(self, *, last: bool) -> bool:
        self.count += 1
        return self.count == self.step

    def keep(self, partial: Partial) -> None:
        self.kept.append(partial)


@pytest.mark.parametrize("scheduler", ["euler", "unipc"])
@pytest.mark.parametrize("step", [1, 3])
def test_a_resumed_shot_has_the_same_bytes(
    caching: LoadedModel, conditions: Conditions, step: int, scheduler: str
) -> None:
    schedule = replace(SCHEDULE, name=scheduler)
    checkpoint = Stopping(step)
    whole = made(caching, conditions, schedule, checkpoint=checkpoint)
    assert [partial.step for partial in checkpoint.kept] == [step]
    steps: list[int] = []
    assert torch.equal(made(caching, conditions, schedule, on_step=steps.append, checkpoint=checkpoint), whole)
    assert steps == [*range(step + 1, schedule.steps + 1)]


@pytest.fixture
def experts(caching: LoadedModel, conditions: Conditions) -> tuple[LoadedModel, Conditions]:
    """The tiny model with a second expert, which takes over after two of four steps."""
    second = copy.deepcopy(caching.transformer)
    with torch.no_grad():
        second.blocks[0].attn1.to_k.weight.mul_(2)
    spec = replace(caching.spec, boundary_ratio=0.7)
    model = with_spec(caching, spec)
    model.denoiser.transformers = (caching.transformer, second)
    model.denoiser.conditioners = (caching.conditioner, caching.conditioner)
    return model, replace(conditions, context_2_BSD=conditions.context_BSD * 0.5)


@pytest.mark.parametrize(("step", "resumes_after"), [(1, 1), (2, 2), (3, 2)])
def test_each_expert_reuses_its_own_context(
    experts: tuple[LoadedModel, Conditions], step: int, resumes_after: int
) -> None:
    """A shot that stops with the second expert resumes where that one computed its context."""
    model, conditions = experts
    timesteps = model.denoiser.scheduler("euler", 4, 2.0).timesteps
    assert [model.denoiser.expert(timestep) for timestep in timesteps] == [0, 0, 1, 1]
    checkpoint = Stopping(step)
    whole = made(model, conditions, checkpoint=checkpoint)
    assert [partial.step for partial in checkpoint.kept] == [resumes_after]
    assert torch.equal(made(model, conditions, checkpoint=checkpoint), whole)


def test_an_empty_memory_has_nothing_to_reuse(caching: LoadedModel, conditions: Conditions) -> None:
    empty = replace(
        conditions,
        context_BSD=conditions.context_BSD[:, :0],
        context_rope=tuple(item[:, :0] for item in conditions.context_rope),
    )
    plain = with_spec(caching, replace(caching.spec, reuse_context=False))
    assert torch.equal(made(caching, empty), made(plain, empty))


def test_the_first_block_cache_and_compiled_blocks_come_first(tiny_model: LoadedModel) -> None:
    spec = replace(tiny_model.spec, reuse_context=True)
    assert spec.caches_context
    for fitting in (ExecutionConfig(cache=0.1), ExecutionConfig(compile_blocks=True)):
        assert not replace(spec, execution=fitting).caches_context
    switched = replace(tiny_model.spec, execution=ExecutionConfig(reuse_context=True))
    assert switched.caches_context
    assert switched.execution.changes == ("reused context",)
