"""Train and measure the read-out on rendered frames that are degraded to look like decoded ones.

Shape letters: B clips, P pixel frames, S species, C channels, H W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from onestory_cli.evaluation.embeddings import Reading
from onestory_cli.evaluation.network import LOOKS, ReadoutNetwork
from onestory_cli.evaluation.readout import PLACE_NAMES, Readout, to_network
from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.visibility import shows_accent, shows_sun, side
from onestory_cli.storyworld.vocabulary import ACCESSORIES, COLOURS, SPECIES
from onestory_cli.storyworld.world import WorldConfig, WorldShot

UNSEEN = -1  # label of attributes that a frame does not show; it adds no loss
SEED = 5_000_000  # stories from this seed on are neither training nor evaluation data of models
TEST_SEED = 6_000_000
CROWD = 3  # additional weight of shots with two characters: only they teach which hat belongs to which

Progress = Callable[[int, float], None]


@dataclass(frozen=True, kw_only=True)
class ReadoutData:
    """Clips and the shots that they show."""

    pixels_BPHWC: NDArray[np.uint8]
    shots: tuple[WorldShot, ...]

    def labels(self) -> dict[str, Tensor]:
        """Attribute -> labels of all clips, in the format of `loss`."""
        rows = [label(shot) for shot in self.shots]
        return {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}


def render_readout_data(seeds: Iterable[int], config: WorldConfig, *, frames: int = 5) -> ReadoutData:
    """Render all shots of these stories, with a few frames per shot, which are as informative as many."""
    config = replace(config, frames=frames)
    # all looks, because the read-out must read held-out ones too; no twins, because it has one label per species
    world = replace(config, combinations="all")
    shots = tuple(shot for seed in seeds for shot in make_story(seed, world, twins=False).shots)
    return ReadoutData(pixels_BPHWC=np.stack([render_shot(shot, config).pixels_THWC for shot in shots]), shots=shots)


def label(shot: WorldShot) -> dict[str, list[int] | int]:
    """Labels of a shot: a list over species for looks, a number for places."""
    looks: dict[str, list[int]] = {name: [UNSEEN] * len(SPECIES) for name in LOOKS}
    looks["species"] = [0] * len(SPECIES)
    for actor in shot.actors:
        index, look = SPECIES.index(actor.look.species), actor.look
        looks["species"][index] = 1
        looks["colour"][index] = list(COLOURS).index(look.colour)
        looks["accessory"][index] = ACCESSORIES.index(look.accessory)
        if look.accessory_colour:
            looks["accessory_colour"][index] = list(COLOURS).index(look.accessory_colour)
    place = shot.place
    seen = {
        "setting": place.setting,
        "accent_colour": place.accent_colour if shows_accent(shot) else None,
        "accent_side": side(place.accent_x) if shows_accent(shot) else None,
        "sun_side": side(place.sun_x) if shows_sun(shot) else None,
    }
    return looks | {name: UNSEEN if value is None else PLACE_NAMES[name].index(value) for name, value in seen.items()}


def loss(logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
    """Sum over attributes of the mean cross-entropy of labelled frames; presence is one logit per species."""
    presence = functional.binary_cross_entropy_with_logits(logits["species"][..., 0].float(), labels["species"].float())
    total = presence * len(SPECIES)
    for name, target in labels.items():
        if name != "species" and (target != UNSEEN).any():
            values = logits[name].float().flatten(0, -2)
            total = total + functional.cross_entropy(values, target.flatten(), ignore_index=UNSEEN)
    return total


def degrade(frames_BCHW: Tensor, noise: torch.Generator) -> Tensor:
    """Random blur per batch; random noise, contrast, brightness and colour cast per frame."""
    size, count = frames_BCHW.shape[-1], len(frames_BCHW)
    small = int(torch.randint(size * 5 // 8, size + size // 8, (1,), generator=noise))
    if small < size:
        coarse = functional.interpolate(frames_BCHW, (small, small), mode="bilinear", antialias=True)
        frames_BCHW = functional.interpolate(coarse, (size, size), mode="bilinear")
    contrast = 0.9 + 0.2 * torch.rand(count, 1, 1, 1, generator=noise)
    cast = 0.05 * torch.randn(count, 3, 1, 1, generator=noise)
    grain = 0.08 * torch.rand(count, 1, 1, 1, generator=noise) * torch.randn(frames_BCHW.shape, generator=noise)
    return (frames_BCHW * contrast + cast + grain).clamp(-1, 1)


def train_readout(
    datasets: Sequence[ReadoutData],
    *,
    network: ReadoutNetwork | None = None,
    steps: int = 2000,
    batch: int = 64,
    rate: float = 3e-3,
    seed: int = 0,
    progress: Progress = lambda step, value: None,
) -> ReadoutNetwork:
    """Train a new or existing network; every dataset contributes the same share of the frames.

    `progress(step, loss)` is called after each step.
    """
    torch.manual_seed(seed)
    network = (network or ReadoutNetwork()).to(memory_format=torch.channels_last).train().requires_grad_(True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate_factor(step, steps))
    labels = [part.labels() for part in datasets]
    rng, noise = np.random.default_rng(seed), torch.Generator().manual_seed(seed)

    def batch_loss() -> Tensor:
        frames, wanted = _batch(rng, datasets, labels, batch)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(degrade(frames, noise))
        return loss(logits, wanted)

    fit_network(optimiser, schedule, batch_loss, steps=steps, progress=progress)
    return network.eval().requires_grad_(False)


def fit_network(
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    batch_loss: Callable[[], Tensor],
    *,
    steps: int,
    progress: Progress,
) -> None:
    """Take optimiser steps, each on the loss of a new batch; `progress(step, loss)` is called after each."""
    for step in range(1, steps + 1):
        value = batch_loss()
        value.backward()
        optimiser.step()
        schedule.step()
        optimiser.zero_grad(set_to_none=True)
        progress(step, float(value.detach()))


def measure_accuracy(readout: Readout, data: ReadoutData) -> dict[str, float]:
    """Attribute -> share of clips (for looks: of actors) with the right answer."""
    right: dict[str, list[bool]] = {}
    for shot, reading in zip(data.shots, readout.read(data.pixels_BPHWC), strict=True):
        for name, hit in _marks(shot, reading):
            right.setdefault(name, []).append(hit)
    return {name: round(sum(hits) / len(hits), 4) for name, hits in right.items()}


def _marks(shot: WorldShot, reading: Reading) -> Iterable[tuple[str, bool]]:
    present = {actor.look.species for actor in shot.actors}
    yield "species", present == {name for name in SPECIES if reading.shows(name)}
    for actor in shot.actors:
        read = reading.looks[actor.look.species]
        yield "colour", read.colour == actor.look.colour
        yield "accessory", read.accessory == actor.look.accessory
        if actor.look.accessory_colour:
            yield "accessory_colour", read.accessory_colour == actor.look.accessory_colour
        yield "looks", read == actor.look and reading.shows(actor.look.species)
    yield "setting", reading.setting == shot.place.setting
    if shows_accent(shot):
        yield "accent_colour", reading.accent_colour == shot.place.accent_colour
        yield "accent_side", reading.accent_side == side(shot.place.accent_x)
    if shows_sun(shot):
        yield "sun_side", reading.sun_side == side(shot.place.sun_x)


def _batch(
    rng: np.random.Generator, datasets: Sequence[ReadoutData], labels: Sequence[Mapping[str, Tensor]], size: int
) -> tuple[Tensor, dict[str, Tensor]]:
    frames, wanted = [], []
    for part, own in zip(datasets, labels, strict=True):
        count, length = part.pixels_BPHWC.shape[:2]
        crowds = np.array([1 + CROWD * (len(shot.actors) > 1) for shot in part.shots], np.float64)
        clips = rng.choice(count, size=max(1, size // len(datasets)), p=crowds / crowds.sum())
        frames.append(part.pixels_BPHWC[clips, rng.integers(length, size=len(clips))])
        wanted.append({name: values[clips] for name, values in own.items()})
    return to_network(np.concatenate(frames)), {name: torch.cat([row[name] for row in wanted]) for name in wanted[0]}


def _rate_factor(step: int, steps: int) -> float:
    """A short warm-up, then a cosine to zero."""
    return min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
