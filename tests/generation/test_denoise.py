"""The denoise loop: noise, guidance, held first frame.

Shape letters: B batch, C latent channels, T latent frames, S context tokens, D width, H W latent cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from onestory_cli.generation.denoise import (
    Conditions,
    DenoiseConfig,
    denoise,
    guided_velocity,
    prepare_latents,
    set_first_frame,
)
from onestory_cli.models.load import LoadedModel
from onestory_cli.schedulers import SCHEDULERS

SHAPE = (1, 4, 2, 8, 8)
SCHEDULE = DenoiseConfig(name="euler", steps=3, shift=2.0, guidance=2.0)


@contextmanager
def calls(model: LoadedModel) -> Iterator[list[tuple[Tensor, int]]]:
    """(timesteps, number of context tokens) of every call of the transformer."""
    seen: list[tuple[Tensor, int]] = []
    hook = model.transformer.register_forward_pre_hook(
        lambda module, inputs, named: seen.append((inputs[1], named["context_tokens"].shape[1])), with_kwargs=True
    )
    try:
        yield seen
    finally:
        hook.remove()


def test_noise_depends_only_on_the_seed() -> None:
    threads = torch.get_num_threads()
    noise = prepare_latents(SHAPE, seed=4)
    torch.manual_seed(99)
    torch.set_num_threads(threads + 1)
    try:
        again = prepare_latents(SHAPE, seed=4)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(noise, again)
    assert (noise.dtype, noise.device.type) == (torch.float32, "cpu")
    assert not torch.equal(noise, prepare_latents(SHAPE, seed=5))
    assert noise.mean().abs() < 0.2
    assert 0.8 < noise.std() < 1.2


def test_noise_of_a_seed_is_pinned() -> None:
    assert prepare_latents((1, 1, 1, 1, 3), seed=7).flatten().tolist() == pytest.approx(
        [-0.1468, 0.7861, 0.9468], abs=1e-4
    )


def test_without_guidance_a_step_is_one_pass(tiny_model: LoadedModel, conditions: Conditions) -> None:
    steps: list[int] = []
    with calls(tiny_model) as seen:
        denoise(
            tiny_model.denoiser,
            prepare_latents(SHAPE, seed=1),
            conditions,
            replace(SCHEDULE, guidance=1.0),
            steps.append,
        )
    assert [tokens for _, tokens in seen] == [32, 32, 32]
    assert steps == [1, 2, 3]


def test_the_unconditional_pass_has_no_memory(tiny_model: LoadedModel, conditions: Conditions) -> None:
    with calls(tiny_model) as seen:
        denoise(tiny_model.denoiser, prepare_latents(SHAPE, seed=1), conditions, SCHEDULE)
    assert [tokens for _, tokens in seen] == [32, 0] * 3


@torch.inference_mode()
def test_guidance_formula(tiny_model: LoadedModel, conditions: Conditions) -> None:
    noise, time = prepare_latents(SHAPE, seed=1), torch.tensor(700.0)
    free = replace(
        conditions, prompt_embeds_BLE=conditions.negative_prompt_embeds_BLE, context_BSD=conditions.context_BSD[:, :0]
    )
    plain = replace(SCHEDULE, guidance=1.0)
    wanted = guided_velocity(tiny_model.denoiser, noise, time, conditions, plain)
    unwanted = guided_velocity(tiny_model.denoiser, noise, time, free, plain)
    assert not torch.allclose(wanted, unwanted)
    led = guided_velocity(tiny_model.denoiser, noise, time, conditions, replace(SCHEDULE, guidance=3.0))
    torch.testing.assert_close(led, unwanted + 3 * (wanted - unwanted))


@torch.inference_mode()
def test_memory_guidance_formula(tiny_model: LoadedModel, conditions: Conditions) -> None:
    noise, time = prepare_latents(SHAPE, seed=1), torch.tensor(900.0)
    caption = replace(conditions, context_BSD=conditions.context_BSD[:, :0])
    wanted = guided_velocity(tiny_model.denoiser, noise, time, conditions, replace(SCHEDULE, guidance=1.0))
    forgetful = guided_velocity(tiny_model.denoiser, noise, time, caption, replace(SCHEDULE, guidance=1.0))
    assert not torch.allclose(wanted, forgetful)
    for guidance in (1.0, 3.0):
        schedule = replace(SCHEDULE, guidance=guidance)
        led = guided_velocity(tiny_model.denoiser, noise, time, conditions, replace(schedule, memory_guidance=2.0))
        usual = guided_velocity(tiny_model.denoiser, noise, time, conditions, schedule)
        torch.testing.assert_close(led, usual + 2 * (wanted - forgetful))


def test_memory_guidance_is_one_more_pass_above_its_timestep(tiny_model: LoadedModel, conditions: Conditions) -> None:
    schedule = replace(SCHEDULE, memory_guidance=2.0)
    with calls(tiny_model) as seen:
        denoise(tiny_model.denoiser, prepare_latents(SHAPE, seed=1), conditions, schedule)
    assert [tokens for _, tokens in seen] == [32, 0, 0, 32, 0, 32, 0]  # at 1000, 800 and 500
    empty = replace(conditions, context_BSD=conditions.context_BSD[:, :0])
    with calls(tiny_model) as seen:
        made = denoise(tiny_model.denoiser, prepare_latents(SHAPE, seed=1), empty, schedule)
    assert len(seen) == 2 * 3
    assert torch.equal(made, denoise(tiny_model.denoiser, prepare_latents(SHAPE, seed=1), empty, SCHEDULE))


def test_context_and_first_frame_are_at_timestep_zero(tiny_model: LoadedModel, conditions: Conditions) -> None:
    given = replace(conditions, first_frame_latents_BCHW=torch.ones(1, 4, 8, 8))
    with calls(tiny_model) as seen:
        denoise(tiny_model.denoiser, prepare_latents(SHAPE, seed=1), given, SCHEDULE)
    for times_BM, tokens in seen:
        assert times_BM.shape == (1, tokens + 2 * 16)
        assert times_BM[:, : tokens + 16].eq(0).all()
        assert times_BM[:, tokens + 16 :].gt(0).all()
    assert [float(times_BM.max()) for times_BM, _ in seen[::2]] == pytest.approx([1000, 800, 500])


def test_other_bases_get_one_timestep(tiny_model: LoadedModel, conditions: Conditions) -> None:
    plain = replace(tiny_model.denoiser, spec=replace(tiny_model.spec, expand_timesteps=False))
    with calls(tiny_model) as seen:
        made = denoise(plain, prepare_latents(SHAPE, seed=1), conditions, SCHEDULE)
    assert {tuple(times.shape) for times, _ in seen} == {(1,)}
    assert made.isfinite().all()


@pytest.mark.parametrize("scheduler", SCHEDULERS.builtin)
def test_a_first_frame_is_held_and_changes_the_others(
    tiny_model: LoadedModel, conditions: Conditions, scheduler: str
) -> None:
    schedule, noise = replace(SCHEDULE, name=scheduler), prepare_latents(SHAPE, seed=1)
    first = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    free = denoise(tiny_model.denoiser, noise, conditions, schedule)
    held = denoise(tiny_model.denoiser, noise, replace(conditions, first_frame_latents_BCHW=first), schedule)
    assert torch.equal(held[:, :, 0], first)
    assert not torch.allclose(held[:, :, 1], free[:, :, 1])
    assert held.dtype == torch.float32


def test_set_first_frame_does_not_change_its_input() -> None:
    latents = torch.zeros(SHAPE)
    assert set_first_frame(latents, None) is latents
    held = set_first_frame(latents, torch.ones(1, 4, 8, 8))
    assert held[:, :, 0].eq(1).all()
    assert held[:, :, 1:].eq(0).all()
    assert latents.eq(0).all()
