"""The committed network reads actions and framings; its features have the stated size."""

from __future__ import annotations

import numpy as np
import torch

from onestory_cli.evaluation.actions import FEATURES, FRAMES, action_features, load_action_network
from onestory_cli.evaluation.readout import Readout, to_network
from onestory_cli.evaluation.train_actions import accuracy_of, action_data, fit_action_network
from onestory_cli.storyworld import make_story, render_shot
from onestory_cli.storyworld.vocabulary import SPECIES
from onestory_cli.storyworld.world import WorldConfig

UNSEEN = range(7_000_000, 7_000_012)


def test_actions_and_framings_are_read_correctly(readout: Readout) -> None:
    shares = accuracy_of(load_action_network(), action_data(readout.network, UNSEEN, WorldConfig()))
    assert shares["action"] > 0.85
    assert shares["framing"] > 0.9


def test_attention_sums_to_one(readout: Readout) -> None:
    frames = to_network(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8))
    weights, species = readout.network.attend(frames)
    assert torch.allclose(weights.sum(-1), torch.ones(weights.shape[:-1]), atol=1e-5)
    assert torch.allclose(species, readout.network.look(frames).looks_BSAD[:, :, 0])


def test_any_number_of_frames_is_read(readout: Readout) -> None:
    config = WorldConfig(frames=FRAMES, size=64)
    (shot, *_) = make_story(0, config).shots
    pixels, network = render_shot(shot, config).pixels_THWC, load_action_network()
    whole = network.read(readout.network, pixels)
    assert set(whole.actions) == set(SPECIES)
    assert network.read(readout.network, np.repeat(pixels, 2, axis=0)) == whole
    assert network.read(readout.network, pixels[:1]).framings


def test_a_network_learns_from_features(readout: Readout) -> None:
    data = action_data(readout.network, range(2), WorldConfig(), torch.Generator().manual_seed(0))
    assert data.features_NF.shape[1] == FEATURES
    assert accuracy_of(fit_action_network([data], steps=80, batch=32, rate=3e-3), data)["framing"] > 0.8


def test_features_do_not_depend_on_other_clips(readout: Readout) -> None:
    frames = torch.rand(2, FRAMES, 3, 64, 64) * 2 - 1
    together = action_features(readout.network, frames)
    assert torch.allclose(together[:1], action_features(readout.network, frames[:1]), atol=1e-5)
