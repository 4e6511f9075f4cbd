"""Train the read-out or, with --eyes, the eye detector, or, with --actions, the network that reads actions.

The package contains trained weights of all three.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from onestory_cli.evaluation.eyes import train_eye_detector
from onestory_cli.evaluation.readout import WEIGHTS, Readout, load_readout, save_halves
from onestory_cli.evaluation.rollouts import reduced_precision
from onestory_cli.evaluation.train_actions import accuracy_of, action_data, train_action_network
from onestory_cli.evaluation.train_readout import (
    SEED,
    TEST_SEED,
    ReadoutData,
    measure_accuracy,
    render_readout_data,
    train_readout,
)
from onestory_cli.evaluation.world import world_of
from onestory_cli.models.catalog import find
from onestory_cli.models.load import LoadedModel, load_model
from onestory_cli.storyworld.vocabulary import VERSIONS
from onestory_cli.storyworld.world import WorldConfig

TEST_STORIES = 50


def main() -> None:
    arguments = _arguments()
    if arguments.eyes:
        save_halves(train_eye_detector(WorldConfig(), progress=_print_progress), arguments.eyes)
        return
    if arguments.actions:
        train_actions(arguments.actions)
        return
    model = load_model(find(arguments.model), "cpu") if arguments.model else None
    # the frames of a batch have one size
    worlds = [WorldConfig(size=model.spec.width), world_of(model.spec)] if model else [WorldConfig()]
    datasets = [render_readout_data(range(SEED, SEED + arguments.stories), world) for world in worlds]
    test_sets = {"true": render_readout_data(range(TEST_SEED, TEST_SEED + TEST_STORIES), worlds[-1])}
    if model:
        drawn = render_readout_data(range(SEED, SEED + arguments.stories // 5), worlds[-1], frames=model.spec.frames)
        datasets.append(decoded(model, drawn))
        seeds = range(TEST_SEED, TEST_SEED + TEST_STORIES)
        test_sets["decoded"] = decoded(model, render_readout_data(seeds, worlds[-1], frames=model.spec.frames))
    network = train_readout(datasets, steps=arguments.steps, progress=_print_progress)
    draft = Readout(network=network, accuracy={})
    readout = replace(draft, accuracy={name: measure_accuracy(draft, data) for name, data in test_sets.items()})
    readout.save(arguments.out)
    for name, shares in readout.accuracy.items():
        sys.stdout.write(f"{name}: {', '.join(f'{attribute} {share:.1%}' for attribute, share in shares.items())}\n")


def train_actions(path: Path) -> None:
    """Train the network that reads actions, write it, and print its accuracy on other stories."""
    readout = load_readout().network
    network = train_action_network(readout, progress=_print_progress)
    save_halves(network, path)
    for version in VERSIONS:
        data = action_data(readout, range(TEST_SEED, TEST_SEED + TEST_STORIES), WorldConfig(version=version, size=128))
        sys.stdout.write(f"version {version}: {accuracy_of(network, data)}\n")


@torch.inference_mode()
def decoded(model: LoadedModel, data: ReadoutData, *, batch: int = 6) -> ReadoutData:
    """The same clips, encoded and decoded by the model's VAE."""
    clips: list[np.ndarray] = []
    for start in range(0, len(data.shots), batch):
        with reduced_precision(model):
            latents = model.codec.encode_video(data.pixels_BPHWC[start : start + batch])
            clips += [model.codec.decode(item) for item in latents]
    return replace(data, pixels_BPHWC=np.stack(clips))


def _print_progress(step: int, value: float) -> None:
    if step % 50 == 0:
        sys.stderr.write(f"step {step}: loss {value:.3f}\n")


def _arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m onestory_cli.evaluation", description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder of the weights")
    parser.add_argument("--stories", type=int, default=1000, help="stories of six shots per data set")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--model", help="also train on frames decoded by this model's VAE, from its part of the world")
    parser.add_argument("--eyes", type=Path, metavar="FILE", help="train the eye detector instead, and write it here")
    parser.add_argument("--actions", type=Path, metavar="FILE", help="train the network that reads actions instead")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
