"""The scheduler `dmd`, against the formula of FastVideo's DMD pipeline on a tiny Wan 2.2 TI2V.

Shape letters: B batch, C latent channels, T latent frames, H W latent cells, L text tokens, E text width.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from torch import Tensor

from onestory_cli.checkpoint import Partial
from onestory_cli.generation.denoise import Conditions, DenoiseConfig, denoise, prepare_latents, step_generators
from onestory_cli.models.catalog import find
from onestory_cli.models.load import LoadedModel, load_model

SHAPE = (1, 48, 2, 4, 4)
CONFIG = DenoiseConfig(name="dmd", steps=3, shift=8.0, guidance=1.0)


class KeptPartial:
    """A checkpoint in memory that keeps the partial after `step`."""

    enabled = True

    def __init__(self, step: int) -> None:
        self.step, self.partial, self.asked = step, None, 0

    def load(self, identity: str) -> Partial | None:
        return self.partial if self.partial and self.partial.identity == identity else None

    def due(self, *, last: bool = False) -> bool:
        self.asked += 1
        return self.partial is None and self.asked == self.step

    def keep(self, partial: Partial) -> None:
        self.partial = partial


@pytest.fixture(scope="module")
def model(base_folder: Callable[[str], Path]) -> LoadedModel:
    return load_model(find(str(base_folder("ti2v"))))


@pytest.fixture(scope="module")
def conditions() -> Conditions:
    embeds = torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(3))
    empty = torch.zeros(1, 0, 24)
    return Conditions(
        prompt_embeds_BLE=embeds,
        negative_prompt_embeds_BLE=embeds,
        context_BSD=empty,
        context_rope=(torch.zeros(1, 0, 1, 12), torch.zeros(1, 0, 1, 12)),
    )


@torch.inference_mode()
def reference(folder: Path, embeds_BLE: Tensor, seed: int) -> Tensor:
    """x0 = x - sigma v, then x = (1 - sigma_next) x0 + sigma_next noise; sigmas by the nearest shifted timestep."""
    transformer = WanTransformer3DModel.from_pretrained(folder / "transformer", torch_dtype=torch.float32)
    table, latents = FlowMatchEulerDiscreteScheduler(shift=8.0), prepare_latents(SHAPE, seed=seed)
    sigmas = [float(table.sigmas[(table.timesteps - time).abs().argmin()]) for time in (1000, 757, 522)]
    for step, time in enumerate((1000.0, 757.0, 522.0), start=1):
        times_BM = torch.full((1, 2 * 2 * 2), time)
        velocity = transformer(latents, times_BM, embeds_BLE, return_dict=False)[0]
        latents = latents - sigmas[step - 1] * velocity
        if step < len(sigmas):
            noise = torch.randn(SHAPE, generator=step_generators([seed], step)[0])
            latents = (1 - sigmas[step]) * latents + sigmas[step] * noise
    return latents


def test_dmd_equals_the_published_formula(
    model: LoadedModel, conditions: Conditions, base_folder: Callable[[str], Path]
) -> None:
    made = denoise(model.denoiser, prepare_latents(SHAPE, seed=5), conditions, CONFIG, seeds=(5,))
    expected = reference(base_folder("ti2v"), conditions.prompt_embeds_BLE, 5)
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-5)


def test_timesteps_and_sigmas_are_those_of_training(model: LoadedModel) -> None:
    scheduler = model.denoiser.scheduler("dmd", 3, 8.0)
    assert scheduler.timesteps.tolist() == [1000, 757, 522]
    assert scheduler.sigmas.tolist() == pytest.approx([1, 0.756757, 0.521739, 0], abs=1e-6)
    with pytest.raises(ValueError, match="takes 3 steps"):
        model.denoiser.scheduler("dmd", 4, 8.0)


def test_added_noise_depends_on_the_seed_alone(model: LoadedModel, conditions: Conditions) -> None:
    noise, threads = prepare_latents(SHAPE, seed=5), torch.get_num_threads()
    made = denoise(model.denoiser, noise, conditions, CONFIG, seeds=(5,))
    torch.manual_seed(99)
    assert torch.equal(made, denoise(model.denoiser, noise, conditions, CONFIG, seeds=(5,)))
    assert not torch.allclose(made, denoise(model.denoiser, noise, conditions, CONFIG, seeds=(6,)))
    drawn = torch.randn(2000, generator=step_generators([5], 1)[0])
    torch.set_num_threads(threads + 1)
    try:
        assert torch.equal(drawn, torch.randn(2000, generator=step_generators([5], 1)[0]))
    finally:
        torch.set_num_threads(threads)
    assert not torch.equal(drawn, torch.randn(2000, generator=step_generators([5], 2)[0]))


@pytest.mark.parametrize("step", [1, 2])
def test_a_resumed_loop_gives_the_same_bytes(model: LoadedModel, conditions: Conditions, step: int) -> None:
    noise, kept, steps = prepare_latents(SHAPE, seed=5), KeptPartial(step), []
    whole = denoise(model.denoiser, noise, conditions, CONFIG, checkpoint=kept, seeds=(5,))
    again = denoise(model.denoiser, noise, conditions, CONFIG, steps.append, kept, seeds=(5,))
    assert steps == list(range(step + 1, 4))
    assert torch.equal(whole, again)
