"""Read the framing of a storyworld shot and the action of each character, from a few frames of it.

The input of a small network is where the read-out looks for a species in each frame, how that place moves, and what
changes.

Shape letters: B clips, P frames, S species, A look queries, N cells, D width, F features, H W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from onestory_cli.evaluation.network import CELLS, LOOKS, SIDE, ReadoutNetwork
from onestory_cli.evaluation.readout import to_network
from onestory_cli.storyworld.vocabulary import ACTIONS, FRAMINGS, SPECIES

WEIGHTS = Path(__file__).parent / "weights" / "actions.safetensors"
FRAMES = 6  # frames that the network reads, evenly spread over the shot
WIDTH = 128  # of the pooled features of a species
# per frame the place (x, y) and spread of each query, per pair of frames its movement and two changes, two pooled means
FEATURES = len(LOOKS) * (4 * FRAMES + 4 * (FRAMES - 1)) + 2 * WIDTH


@dataclass(frozen=True, kw_only=True)
class ShotActions:
    """The framing of a shot ("wide shot", ...) as seen at each species, and the action of each species.

    Both are meaningless for absent species.
    """

    framings: Mapping[str, str]
    actions: Mapping[str, str]


class ActionNetwork(nn.Module):
    """Features of a species in a clip (..., F) -> logits of its action and of the framing."""

    def __init__(self, hidden: int = 96) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))
        self.body = nn.Sequential(
            nn.Dropout(0.1),
            nn.Linear(FEATURES, hidden),
            nn.SiLU(),
            nn.Dropout(0.3),
            nn.Linear(hidden, len(ACTIONS) + len(FRAMINGS)),
        )

    def forward(self, features_F: Tensor) -> tuple[Tensor, Tensor]:
        logits: Tensor = self.body((features_F - self.mean) * self.scale)
        actions, framings = logits.split([len(ACTIONS), len(FRAMINGS)], dim=-1)
        return actions, framings

    @torch.inference_mode()
    def read(self, readout: ReadoutNetwork, frames_PHWC: NDArray[np.uint8]) -> ShotActions:
        """Read the frames of one shot, in order."""
        chosen = np.linspace(0, len(frames_PHWC) - 1, FRAMES).round().astype(int)
        (features_SF,) = action_features(readout, to_network(frames_PHWC[chosen])[None])
        actions, framings = (logits.argmax(-1).tolist() for logits in self(features_SF))
        return ShotActions(
            framings={name: FRAMINGS[index] for name, index in zip(SPECIES, framings, strict=True)},
            actions={name: ACTIONS[index] for name, index in zip(SPECIES, actions, strict=True)},
        )


def load_action_network(path: Path = WEIGHTS) -> ActionNetwork:
    """The network that the package contains."""
    network = ActionNetwork()
    network.load_state_dict(load_file(path))
    return network.eval().requires_grad_(False)


@torch.inference_mode()
def action_features(readout: ReadoutNetwork, frames_BPCHW: Tensor) -> Tensor:
    """Frames in -1..1 at the read-out's size -> features of each species (B, S, F)."""
    clips = frames_BPCHW.shape[:2]
    weights, species = readout.attend(frames_BPCHW.flatten(0, 1))
    weights_BPSAN, species_BPSD = weights.unflatten(0, clips), species.unflatten(0, clips)
    places_BPSAG = _places(weights_BPSAN)
    moves = 10 * places_BPSAG[..., :2].diff(dim=1)
    pairs_BPSAN = (weights_BPSAN[:, 1:] + weights_BPSAN[:, :-1]) / 2
    changes = [5 * torch.einsum("bpsan,bpn->bpsa", pairs_BPSAN, item) for item in _changes(frames_BPCHW)]
    per_frame = [places_BPSAG.flatten(3), moves.flatten(3), *changes]
    pooled = [species_BPSD.mean(1), species_BPSD.diff(dim=1).abs().mean(1)]
    return torch.cat([*(item.transpose(1, 2).flatten(2) for item in per_frame), *pooled], dim=-1)


def _places(weights_BPSAN: Tensor) -> Tensor:
    """Mean x and y, and their spread, of each query (B, P, S, A, 4), in 0..1."""
    axis = torch.linspace(0, 1, CELLS)
    y_N, x_N = (grid.flatten() for grid in torch.meshgrid(axis, axis, indexing="ij"))
    means = [(weights_BPSAN * item).sum(-1) for item in (x_N, y_N)]
    squares = [(weights_BPSAN * item**2).sum(-1) for item in (x_N, y_N)]
    spreads = [(square - mean**2).clamp(0).sqrt() for square, mean in zip(squares, means, strict=True)]
    return torch.stack([*means, *spreads], dim=-1)


def _changes(frames_BPCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Mean change of each cell between frames (B, P - 1, N): of its mean colour, and of its pixels."""
    cell = SIDE // CELLS

    def pooled(pixels_BPCHW: Tensor) -> Tensor:
        return functional.avg_pool2d(pixels_BPCHW.flatten(0, 1), cell).flatten(2).unflatten(0, pixels_BPCHW.shape[:2])

    coarse = pooled(frames_BPCHW).diff(dim=1).abs().mean(2)
    fine = pooled(frames_BPCHW.diff(dim=1).abs().mean(2, keepdim=True))[:, :, 0]
    return coarse, fine
