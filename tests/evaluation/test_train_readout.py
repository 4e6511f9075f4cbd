"""Training the read-out: labels, degradation and learning."""

from __future__ import annotations

import pytest
import torch

from onestory_cli.evaluation.readout import to_network
from onestory_cli.evaluation.train_readout import UNSEEN, degrade, label, loss, render_readout_data, train_readout
from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.visibility import shows_accent
from onestory_cli.storyworld.vocabulary import COLOURS, SPECIES
from tests.evaluation.conftest import WORLD


def test_labels_cover_only_visible_attributes() -> None:
    shot = next(shot for seed in range(20) for shot in make_story(seed, WORLD).shots if len(shot.actors) == 2)
    found = label(shot)
    for index, species in enumerate(SPECIES):
        actor = next((actor for actor in shot.actors if actor.look.species == species), None)
        assert found["species"][index] == (actor is not None)
        assert found["colour"][index] == (list(COLOURS).index(actor.look.colour) if actor else UNSEEN)


def test_accent_outside_the_frame_has_no_label() -> None:
    shots = [shot for seed in range(30) for shot in make_story(seed, WORLD).shots]
    hidden = [shot for shot in shots if not shows_accent(shot)]
    assert 0 < len(hidden) < len(shots) / 2
    assert {label(shot)["accent_colour"] for shot in hidden} == {UNSEEN}


def test_degraded_frames_are_valid_and_depend_on_the_seed() -> None:
    frames = to_network(render_readout_data([0], WORLD, frames=1).pixels_BPHWC[:, 0])
    once, again = (degrade(frames, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(once, again)
    assert once.abs().max() <= 1
    assert 0.01 < (once - frames).abs().mean() < 0.4


@pytest.mark.slow
def test_readout_learns() -> None:
    data = render_readout_data([0], WORLD, frames=2)
    values: list[float] = []
    network = train_readout([data], steps=40, batch=6, progress=lambda step, value: values.append(value))
    assert values[-1] < 0.7 * values[0]
    logits = network(to_network(data.pixels_BPHWC[:, 0]))
    assert torch.isfinite(loss(logits, data.labels()))
