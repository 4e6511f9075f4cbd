"""Count the eyes in frames of the storyworld: a face without eyes is what a viewer sees first.

Shape letters: N frames, H W pixels or cells, C channels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from onestory_cli.evaluation.readout import Readout, load_readout, to_network
from onestory_cli.evaluation.train_readout import SEED, Progress, degrade, fit_network
from onestory_cli.storyworld.canvas import EYE_DETAIL
from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.world import WorldConfig

WEIGHTS = Path(__file__).parent / "weights" / "eyes.safetensors"
SIDE = 128  # pixels of a frame; other sizes are resampled
SMALLEST = 2  # cells of an eye; a cell is 2 x 2 pixels


class EyeDetector(nn.Module):
    """A convolutional network that marks the cells that show an eye."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
        for given, dilation in ((12, 1), (width, 1), (width, 2), (width, 4), (width, 2)):
            layers += [
                nn.Conv2d(given, width, 3, padding=dilation, dilation=dilation, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 1, 1))

    def forward(self, frames_NCHW: Tensor) -> Tensor:
        """RGB in -1..1 at 128 x 128 pixels -> logits (N, 64, 64)."""
        logits_NHW: Tensor = self.layers(frames_NCHW)[:, 0]
        return logits_NHW

    @torch.inference_mode()
    def count(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The number of eyes in each frame (N,)."""
        marked_NHW = self(_to_network(frames_NHWC)).float() > 0
        return _regions(marked_NHW).numpy().astype(np.float32)


def load_eye_detector(path: Path = WEIGHTS) -> EyeDetector:
    """The detector that the package contains."""
    detector = EyeDetector()
    detector.load_state_dict(load_file(path))
    return detector.eval().requires_grad_(False)


def load_benchmark_readout() -> Readout:
    """The read-out with the eye detector."""
    return replace(load_readout(), count_eyes=load_eye_detector().count)


def render_eyes(seeds: Iterable[int], config: WorldConfig) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """One frame of every shot of these stories (N, H, W, 3), and the pixels that show an eye (N, H, W)."""
    config = replace(config, frames=1, size=SIDE)
    shots = [render_shot(shot, config) for seed in seeds for shot in make_story(seed, config).shots]
    frames = np.stack([shot.pixels_THWC[0] for shot in shots])
    return frames, np.stack([shot.details_THW[0] == EYE_DETAIL + 1 for shot in shots])


def train_eye_detector(
    config: WorldConfig,
    *,
    stories: int = 200,
    steps: int = 600,
    batch: int = 24,
    rate: float = 4e-3,
    progress: Progress = lambda step, value: None,
) -> EyeDetector:
    """Train a new detector on frames that are degraded to look like decoded ones."""
    torch.manual_seed(0)
    frames_NHWC, eyes_NHW = render_eyes(range(SEED, SEED + stories), config)
    detector = EyeDetector().train()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    rng, noise = np.random.default_rng(0), torch.Generator().manual_seed(0)

    def batch_loss() -> Tensor:
        chosen = rng.integers(len(frames_NHWC), size=batch)
        shown = functional.avg_pool2d(torch.from_numpy(eyes_NHW[chosen]).float()[:, None], 2)[:, 0] >= 0.5
        with torch.autocast("cpu", torch.bfloat16):
            logits = detector(degrade(_to_network(frames_NHWC[chosen]), noise)).float()
        return functional.binary_cross_entropy_with_logits(logits, shown.float())

    fit_network(optimiser, schedule, batch_loss, steps=steps, progress=progress)
    return detector.eval().requires_grad_(False)


def _to_network(frames_NHWC: NDArray[np.uint8]) -> Tensor:
    return to_network(frames_NHWC, side=SIDE, mode="bilinear", antialias=True)


def _regions(marked_NHW: Tensor) -> Tensor:
    """The number of connected regions of at least `SMALLEST` cells in each frame (N,)."""
    count = marked_NHW[0].numel()
    own = torch.arange(1, count + 1, dtype=torch.float32).view(1, *marked_NHW.shape[1:])
    labels = own * marked_NHW
    while True:  # the largest number of a region spreads to all of its cells
        spread = functional.max_pool2d(labels[:, None], 3, 1, 1)[:, 0] * marked_NHW
        if torch.equal(spread, labels):
            break
        labels = spread
    cells = [torch.bincount(item.long().flatten(), minlength=count + 1)[1:] for item in labels]
    return torch.stack([(item >= SMALLEST).sum() for item in cells])
