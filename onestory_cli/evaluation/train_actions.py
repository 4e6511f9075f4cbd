"""Train and measure the network that reads actions and framings, on rendered shots.

Shape letters: N characters of shots, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from onestory_cli.evaluation.actions import FRAMES, ActionNetwork, action_features
from onestory_cli.evaluation.network import ReadoutNetwork
from onestory_cli.evaluation.readout import to_network
from onestory_cli.evaluation.train_readout import SEED, Progress, degrade, fit_network
from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.vocabulary import ACTIONS, FRAMINGS, SPECIES
from onestory_cli.storyworld.world import WorldConfig

BATCH = 32  # shots at a time


@dataclass(frozen=True, kw_only=True)
class ActionData:
    """Features of the characters of many shots (N, F), and the indices of their actions and framings (N,)."""

    features_NF: Tensor
    actions_N: Tensor
    framings_N: Tensor


def action_data(
    readout: ReadoutNetwork, seeds: Sequence[int], config: WorldConfig, noise: torch.Generator | None = None
) -> ActionData:
    """Render all shots of these stories and compute features; `noise` degrades the frames to look like decoded ones."""
    config = replace(config, frames=2 * FRAMES + 1, combinations="all")  # every second frame is read, as in curation
    shots = [shot for seed in seeds for shot in make_story(seed, config, twins=False).shots if shot.actors]
    features, actions, framings = [], [], []
    for start in range(0, len(shots), BATCH):
        part = shots[start : start + BATCH]
        frames = to_network(np.concatenate([render_shot(shot, config).pixels_THWC[1::2] for shot in part]))
        frames = degrade(frames, noise) if noise else frames
        for shot, features_SF in zip(part, action_features(readout, frames.unflatten(0, (-1, FRAMES))), strict=True):
            features.append(features_SF[[SPECIES.index(actor.look.species) for actor in shot.actors]])
            actions += [ACTIONS.index(actor.action) for actor in shot.actors]
            framings += [FRAMINGS.index(shot.framing)] * len(shot.actors)
    return ActionData(
        features_NF=torch.cat(features), actions_N=torch.tensor(actions), framings_N=torch.tensor(framings)
    )


def train_action_network(
    readout: ReadoutNetwork,
    *,
    stories: int = 700,
    steps: int = 1500,
    batch: int = 256,
    rate: float = 2e-3,
    progress: Progress = lambda step, value: None,
) -> ActionNetwork:
    """Train a new network on films of both versions of the storyworld, sharp and degraded."""
    noise = torch.Generator().manual_seed(0)
    seeds = range(SEED, SEED + stories)
    worlds = [(WorldConfig(), None), (WorldConfig(), noise), (WorldConfig(version=2), None)]
    parts = [action_data(readout, seeds, world, chance) for world, chance in worlds]
    return fit_action_network(parts, steps=steps, batch=batch, rate=rate, progress=progress)


def fit_action_network(
    parts: Sequence[ActionData],
    *,
    steps: int,
    batch: int,
    rate: float,
    progress: Progress = lambda step, value: None,
) -> ActionNetwork:
    """Train a new network on features."""
    features = torch.cat([part.features_NF for part in parts])
    actions, framings = (torch.cat([getattr(part, name) for part in parts]) for name in ("actions_N", "framings_N"))
    torch.manual_seed(0)
    network = ActionNetwork()
    network.mean.copy_(features.mean(0))
    network.scale.copy_(1 / (features.std(0) + 1e-4))
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)

    def batch_loss() -> Tensor:
        chosen = torch.randint(len(features), (batch,))
        of_action, of_framing = network(features[chosen])
        loss = functional.cross_entropy(of_action, actions[chosen])
        return loss + functional.cross_entropy(of_framing, framings[chosen])

    fit_network(optimiser, schedule, batch_loss, steps=steps, progress=progress)
    return network.eval().requires_grad_(False)


def accuracy_of(network: ActionNetwork, data: ActionData) -> dict[str, float]:
    """The share of characters whose action, and whose framing, is read correctly."""
    action, framing = (logits.argmax(-1) for logits in network(data.features_NF))
    right = {"action": action == data.actions_N, "framing": framing == data.framings_N}
    return {name: round(float(hits.float().mean()), 4) for name, hits in right.items()}
