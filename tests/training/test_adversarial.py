"""The adversarial loss of a decoder stage, and its discriminator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from onestory_cli.events import Event, TrainingProgress
from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.models.load import LoadedModel
from onestory_cli.training.adversarial import AdversarialObjective, FrameDiscriminator, frame_pairs
from onestory_cli.training.data import PixelData
from onestory_cli.training.objective import step_generators
from onestory_cli.training.optim import Optimiser
from onestory_cli.training.recipe import Stage
from onestory_cli.training.run import train
from onestory_cli.training.vae_objective import VaeObjective
from tests.tiny import SIZES, tiny_built

STAGE = Stage(name="sharp", kind="decoder", steps=4, batch=2, rate=1e-3, frames=5, kl=0.0, adversarial=0.5, generated=1)


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return tiny_built()


def objective_of(model: LoadedModel, pixels: PixelData, generated: Tensor) -> AdversarialObjective:
    return AdversarialObjective(
        reconstruction=VaeObjective(model=model, data=pixels, stage=STAGE),
        discriminator=FrameDiscriminator(8),
        dtype="float32",
        generated=generated,
        before=model.codec.vae,
    )


@pytest.fixture
def generated() -> Tensor:
    return torch.randn(3, SIZES.vae.latent_channels, 2, 8, 8, generator=torch.Generator().manual_seed(1))


def trained(*parts: nn.Module) -> set[nn.Module]:
    """The parts that have gradients, which are removed."""
    found = {part for part in parts if any(weight.grad is not None for weight in part.parameters())}
    for part in parts:
        part.zero_grad()
    return found


def test_pairs_are_consecutive_frames_of_one_clip() -> None:
    clips = torch.arange(10.0).view(2, 1, 5, 1, 1).expand(2, 3, 5, 2, 2)  # frames 0..4 and 5..9
    pairs = frame_pairs(clips, torch.tensor([[0, 3], [2, 2]]))
    assert pairs.shape == (4, 6, 2, 2)
    assert pairs[:, ::3, 0, 0].tolist() == [[0, 1], [3, 4], [7, 8], [7, 8]]


def test_decoder_and_discriminator_learn_in_turn(model: LoadedModel, pixels: PixelData, generated: Tensor) -> None:
    objective = objective_of(model, pixels, generated)
    vae, judge = model.codec.vae, objective.discriminator
    parts = (vae.encoder, vae.decoder, judge)
    turns = objective(*step_generators(3, 0, 0))
    next(turns)["loss"].backward()
    assert trained(*parts) == {vae.decoder}
    next(turns)["loss"].backward()
    assert trained(*parts) == {judge}
    assert next(turns, None) is None


def test_generated_latents_teach_the_decoder_too(model: LoadedModel, pixels: PixelData, generated: Tensor) -> None:
    """They are drawn after the true clips, so only their share of the adversarial loss differs."""
    first, other, again = (
        next(objective_of(model, pixels, latents)(*step_generators(3, 0, 0)))
        for latents in (generated, 2 * generated, generated)
    )
    assert torch.equal(first["loss"], again["loss"])
    assert torch.equal(first["reconstruction"], other["reconstruction"])
    assert not torch.equal(first["adversarial"], other["adversarial"])


def test_discriminator_learns_to_tell_blurred_clips_from_rendered_ones(pixels: PixelData) -> None:
    judge = FrameDiscriminator(8)
    objective = replace(objective_of(tiny_built(), pixels, torch.empty(0)), discriminator=judge)
    optimiser = Optimiser(STAGE, {"discriminator": judge, "decoder": nn.Linear(2, 2)})
    starts = torch.zeros(4, 1, dtype=torch.long)
    for step in range(30):
        rendered = frame_pairs(pixels.batch(step_generators(3, 0, step)[0], size=4, frames=5)[0], starts)
        objective.discrimination(functional.avg_pool2d(rendered, 5, 1, 2), rendered)["loss"].backward()
        optimiser.step(step)
    rendered = frame_pairs(pixels.batch(step_generators(4, 0, 0)[0], size=8, frames=5)[0], starts.repeat(2, 1))
    with torch.no_grad():
        scores = judge(rendered) - judge(functional.avg_pool2d(rendered, 5, 1, 2))
    assert (scores.mean((1, 2, 3)) > 0).all()


def test_discriminator_has_a_rate_of_its_own() -> None:
    judge, stage = FrameDiscriminator(8), Stage(name="a", kind="decoder", steps=1, batch=1, rate=0.0, warmup=0)
    before = [weight.detach().clone() for weight in judge.parameters()]
    optimiser = Optimiser(stage, {"discriminator": judge, "decoder": nn.Linear(2, 2)})
    judge(torch.randn(1, 6, 16, 16)).square().sum().backward()
    optimiser.step(0)
    assert not any(torch.equal(old, new) for old, new in zip(before, judge.parameters(), strict=True))


RECIPE = """\
name: sharper
start: {start}
dtype: float32
compile: false
checkpoint_every: 1
log_every: 1
world: {{size: 64, frames: 5}}
data: {{stories: 2, vae_stories: 1, shots: 2}}
model: {{name: sharper, sampling: {{steps: 2, scale: 2}}}}
stages:
  - {{name: sharp, kind: decoder, steps: 2, batch: 1, frames: 5, rate: 0.01, kl: 0.0, adversarial: 0.1, generated: 1}}
"""


@pytest.mark.train
def test_interrupted_stage_ends_in_the_same_model(tiny_folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "sharper.yaml"
    recipe.write_text(RECIPE.format(start=tiny_folder))

    def stop_after_the_first_step(event: Event) -> None:
        if isinstance(event, TrainingProgress):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "parts", stop_after_the_first_step)
    parts, whole = train(recipe, tmp_path / "parts"), train(recipe, tmp_path / "whole")
    assert fingerprint(str(parts)) == fingerprint(str(whole))
