"""The loss of the VAE and decoder stages, and the statistics of latents."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from onestory_cli.models.load import LoadedModel
from onestory_cli.training.data import CHARACTER, EYE, KITE, MOUTH, OUTLINE, PixelData
from onestory_cli.training.objective import step_generators
from onestory_cli.training.recipe import Stage
from onestory_cli.training.vae_objective import VaeObjective, latent_statistics, pixel_weights
from tests.tiny import tiny_built


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return tiny_built()


@pytest.fixture
def vae_stage() -> Stage:
    return Stage(name="test", kind="vae", steps=4, batch=2, rate=1e-3, frames=5, character_weight=4.0)


def test_vae_learns_from_clips(model: LoadedModel, pixels: PixelData, vae_stage: Stage) -> None:
    objective = VaeObjective(model=model, data=pixels, stage=vae_stage)
    first, again = objective(*step_generators(3, 0, 0)), objective(*step_generators(3, 0, 0))
    assert set(first) == {"loss", "psnr", "kl"}
    assert torch.equal(first["loss"], again["loss"])
    first["loss"].backward()
    assert all(weight.grad is not None for weight in model.codec.vae.parameters())
    model.codec.vae.zero_grad()


def test_decoder_stage_trains_only_the_decoder(model: LoadedModel, pixels: PixelData, vae_stage: Stage) -> None:
    decoder = replace(vae_stage, kind="decoder", kl=0.0)
    whole, part = (
        VaeObjective(model=model, data=pixels, stage=stage)(*step_generators(3, 0, 0))
        for stage in (replace(vae_stage, kl=0.0), decoder)
    )
    assert torch.equal(whole["loss"], part["loss"])
    part["loss"].backward()
    taught = {name.split(".")[0] for name, weight in model.codec.vae.named_parameters() if weight.grad is not None}
    assert taught == {"decoder", "post_quant_conv"}
    model.codec.vae.zero_grad()


def test_vae_that_returns_its_input_has_no_error(
    model: LoadedModel, pixels: PixelData, vae_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, _ = pixels.batch(step_generators(3, 0, 0)[0], size=2, frames=5)
    off = clip.clone()
    off[:, :, 0] += 0.5
    monkeypatch.setattr("onestory_cli.training.vae_objective.decode_clips", lambda *_: clip)
    perfect = VaeObjective(model=model, data=pixels, stage=replace(vae_stage, kl=0.0))
    assert float(perfect(*step_generators(3, 0, 0))["loss"].detach()) == pytest.approx(0, abs=1e-6)
    monkeypatch.setattr("onestory_cli.training.vae_objective.decode_clips", lambda *_: off)
    flat = replace(vae_stage, kl=0.0, character_weight=0.0)
    plain = float(VaeObjective(model=model, data=pixels, stage=flat)(*step_generators(3, 0, 0))["loss"].detach())
    assert plain == pytest.approx((0.5 + 0.25) / 5, rel=1e-4)
    heavy = VaeObjective(model=model, data=pixels, stage=replace(flat, first_weight=3.0))
    assert float(heavy(*step_generators(3, 0, 0))["loss"].detach()) == pytest.approx(3 * 0.75 / 7, rel=1e-4)


def test_latents_are_kept_except_those_of_kites(pixels: PixelData, vae_stage: Stage) -> None:
    model, old = tiny_built(), tiny_built().codec.vae
    free, kept = vae_stage, replace(vae_stage, keep_latents=2.0)

    def loss_of(stage: Stage) -> float:
        objective = VaeObjective(model=model, data=pixels, stage=stage, before=old if stage.keep_latents else None)
        return float(objective(*step_generators(3, 0, 0))["loss"].detach())

    assert loss_of(kept) == pytest.approx(loss_of(free), abs=1e-6)
    with torch.no_grad():
        model.codec.vae.quant_conv.bias[:4] += 0.5  # of the means; a deviation of these latents is 0.5
    assert loss_of(kept) - loss_of(free) == pytest.approx(2.0 * 1.0, rel=1e-4)
    objective = VaeObjective(model=model, data=pixels, stage=kept, before=old)
    clip, kinds = pixels.batch(np.random.default_rng(0), size=2, frames=5)
    with torch.no_grad():
        moved = old.encode(clip).latent_dist.mean
        moved[:, :, :, 2, 3] += 9.0
        kinds[..., 16:24, 24:32] |= KITE  # cells are 8 x 8 pixels
        assert float(objective._moved(moved, clip, kinds)) == pytest.approx(0.0, abs=1e-6)
        moved[:, :, :, 2, 4] += 1.0
        assert float(objective._moved(moved, clip, kinds)) == pytest.approx(4.0 / 64, rel=1e-4)


def test_pixel_weights_depend_on_kinds(vae_stage: Stage) -> None:
    stage = replace(vae_stage, character_weight=2.0, outline_weight=1.0, face_weight=8.0, kite_weight=4.0)
    weights = pixel_weights(stage)
    assert [float(weights[kind]) for kind in (0, CHARACTER, OUTLINE, CHARACTER | OUTLINE)] == [1, 3, 2, 4]
    assert [float(weights[CHARACTER | part]) for part in (EYE, MOUTH)] == [11, 11]
    assert [float(weights[part]) for part in (KITE, KITE | OUTLINE)] == [5, 6]


def test_statistics_give_latents_of_unit_scale(model: LoadedModel, pixels: PixelData) -> None:
    mean, std = latent_statistics(model, pixels, batches=2)
    rng = np.random.default_rng(0)
    clips = [pixels.batch(rng, size=8, frames=5)[0] for _ in range(2)]
    with torch.no_grad():
        raw = torch.cat([model.codec.vae.encode(clip).latent_dist.mode() for clip in clips]).transpose(0, 1).flatten(1)
    torch.testing.assert_close(torch.tensor(mean), raw.mean(1))
    torch.testing.assert_close(torch.tensor(std), raw.std(1))
